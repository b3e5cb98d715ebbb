"""Logging in to a device as a role, or with the factory's key; and asking who it is."""

from yubihsm.core import DeviceInfo
from yubihsm.exceptions import YubiHsmError
from yubihsm.utils import password_to_key

from hsm.credentials import HsmSecret
from hsm.device.errors import DeviceRefusedError, wrong_credential
from hsm.device.line import Device, Line
from hsm.device.opening import open_session
from hsm.device.session import Login, greet, translated
from hsm.manifest import FACTORY_KEY, Role

FACTORY_PASSWORD = "password"  # noqa: S105 - everybody knows it: that is why the key must go


def role_login(secret: HsmSecret, role: Role) -> Login:
    """Return with what a role logs in; secret: that of whoever holds the role."""
    return Login(role.id, *secret.role_key(role.name))


def factory_login(password: str = FACTORY_PASSWORD) -> Login:
    """Return with what the factory's authentication key logs in."""
    encryption, mac = password_to_key(password)
    return Login(FACTORY_KEY, encryption, mac)


def device_info(device: Device) -> DeviceInfo:
    """Ask a device what it is, without a session; DeviceError."""
    line = Line(device)
    try:
        return greet(line, device.where).get_device_info()
    except YubiHsmError as error:
        raise translated(error, device.where) from None
    finally:
        line.close()


def admits(device: Device, login: Login) -> bool:
    """Tell whether a session begins with this credential; DeviceError for anything else."""
    try:
        with open_session(device, login):
            return True
    except DeviceRefusedError as error:
        if error.code == wrong_credential("", login.role).code:
            return False
        raise
