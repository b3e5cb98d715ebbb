"""Strict mode in a process: pools of devices, and the vault whose OTPs open inside them."""

from contextlib import AsyncExitStack
from typing import NoReturn

from hsm.binding import Binder, BindingKey
from hsm.device.address import device_at
from hsm.device.line import Device
from hsm.device.pool import DevicePool
from hsm.device.session import Login
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.strict_vault import Sealing, StrictVault
from hsm.vault import VaultError
from server.handed_keys import Strict


class _SealsNothing:
    """In the place of devices that seal: this process has no credential for that."""

    async def create_otp_aead(self, key: int, aes_key: bytes, private_id: bytes) -> NoReturn:
        """Raise VaultError."""
        del key, aes_key, private_id
        raise VaultError("this process opens OTPs and seals no keys")


async def open_strict(
    stack: AsyncExitStack,
    sealed: SealedVault,
    rings: Rings,
    strict: Strict,
    devices: tuple[Device, ...] = (),
) -> StrictVault:
    """Return a strict vault; `stack` ends its sessions.

    sealed: keeps what is not opened inside the HSM; devices: instead of those at the addresses.
    """
    at = devices or tuple(device_at(url, strict.deadline_s) for url in strict.addresses)
    opening = await stack.enter_async_context(DevicePool(at, Login(*strict.validator)))
    sealing: Sealing = _SealsNothing()
    if strict.provisioner is not None:
        # Keys come rarely: no session is held meanwhile.
        provisioner = DevicePool(at, Login(*strict.provisioner), stays=False)
        sealing = await stack.enter_async_context(provisioner)
    return StrictVault(
        opening, sealing, otp_key=strict.otp_key, binder=binder(rings), sealed=sealed
    )


def binder(rings: Rings) -> Binder:
    """Return what binds records to their rows: with keys that follow from those of API keys."""
    if rings.secrets.active is None:
        raise VaultError("strict mode needs an active data key for secrets, and there is none")
    return Binder([BindingKey.derive(key) for key in rings.secrets.keys])
