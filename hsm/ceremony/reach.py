"""Getting at a device in a ceremony: with the administrator's role, or the factory's key."""

import datetime as dt
from dataclasses import dataclass, field

from yubihsm.core import DeviceInfo
from yubihsm.exceptions import YubiHsmError
from yubihsm.utils import password_to_key

from hsm import inventory
from hsm.credentials import HsmSecret
from hsm.device.errors import DeviceRefusedError, wrong_credential
from hsm.device.line import Device, Line
from hsm.device.opening import open_session
from hsm.device.session import Login, greet, translated
from hsm.inventory import Inventory
from hsm.manifest import FACTORY_KEY, Manifest, Role
from hsm.vault import VaultError

FACTORY_PASSWORD = "password"  # noqa: S105 - everybody knows it: that is why the key must go
DEADLINE_S = 30.0
"""For one command of a ceremony: a device makes an RSA key in that time."""


class CeremonyError(VaultError):
    """The ceremony cannot go on. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The two secrets that the roles' credentials follow from."""

    host: HsmSecret
    ceremony: HsmSecret

    def login(self, role: Role) -> Login:
        """Return with what a role logs in."""
        secret = self.host if role.held == "host" else self.ceremony
        return Login(role.id, *secret.role_key(role.name))


def factory_login(password: str) -> Login:
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


@dataclass(frozen=True, slots=True)
class Reached:
    """A device somebody may administrate. factory: whether by the factory's key."""

    login: Login = field(repr=False)
    factory: bool
    inventory: Inventory


def reach(
    device: Device, manifest: Manifest, ceremony: HsmSecret | None, factory_password: str
) -> Reached:
    """Log in as administrator, or else with the factory's key, and read the device.

    ceremony: None when there is no such secret yet. Raises CeremonyError and DeviceError.
    """
    info = device_info(device)
    if ceremony is not None:
        admin = manifest.role("admin")
        login = Login(admin.id, *ceremony.role_key(admin.name))
        if admits(device, login):
            return Reached(login, factory=False, inventory=_read(device, login, info))
    login = factory_login(factory_password)
    if admits(device, login):
        return Reached(login, factory=True, inventory=_read(device, login, info))
    raise CeremonyError(
        f"the HSM {info.serial} at {device.where} lets nobody in: it accepts neither the factory's"
        " password that was given nor the administrator's credential. A device that was set up"
        " before needs the ceremony's secret it was set up with; one whose factory password was"
        " changed, that password. Nothing was changed"
    )


def read_as_auditor(device: Device, manifest: Manifest, host: HsmSecret) -> Inventory:
    """Read a device with the auditor's role; DeviceError."""
    auditor = manifest.role("auditor")
    login = Login(auditor.id, *host.role_key(auditor.name))
    return _read(device, login, device_info(device))


def utc_now() -> dt.datetime:
    """Return the time, with its zone."""
    return dt.datetime.now(dt.UTC)


def _read(device: Device, login: Login, info: DeviceInfo) -> Inventory:
    with open_session(device, login) as session:
        return inventory.read(session, info)
