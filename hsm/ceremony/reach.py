"""Getting at a device in a ceremony: with the administrator's role, or the factory's key."""

from dataclasses import dataclass, field

from hsm import inventory
from hsm.credentials import HsmSecret
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.session import Login
from hsm.inventory import Inventory
from hsm.logins import admits, device_info, factory_login, role_login
from hsm.manifest import Manifest, Role
from hsm.vault import VaultError

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
        return role_login(self.host if role.held == "host" else self.ceremony, role)


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
    logins = [(factory_login(factory_password), True)]
    if ceremony is not None:
        logins.insert(0, (role_login(ceremony, manifest.role("admin")), False))
    for login, factory in logins:
        if admits(device, login):
            with open_session(device, login) as session:
                return Reached(login, factory, inventory.read(session, info))
    raise CeremonyError(
        f"the HSM {info.serial} at {device.where} lets nobody in: it accepts neither the factory's"
        " password that was given nor the administrator's credential. A device that was set up"
        " before needs the ceremony's secret it was set up with; one whose factory password was"
        " changed, that password. Nothing was changed"
    )
