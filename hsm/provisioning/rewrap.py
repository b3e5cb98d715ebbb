"""OTP keys in the HSM, brought under another of its keys: the secret never leaves the device.

REWRAP_OTP_AEAD opens an AEAD under one object and seals it under another, inside. What comes out
cannot be compared with what went in, for nobody can see either. What can be proved is that the
new AEAD is whole under the new object: asked to open an OTP that is none, the device says that
the OTP is wrong - after it has opened the AEAD - and not that the AEAD is.
"""

import asyncio
import secrets
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from yubihsm.core import AuthSession
from yubihsm.defs import COMMAND, OBJECT
from yubihsm.objects import OtpAeadKey

from hsm.device.line import Device
from hsm.device.session import DeviceSession, Login
from hsm.manifest import DeviceObject
from hsm.provisioning.proof import UnprovedRecordError
from hsm.strict_vault import StrictVault
from hsm.vault import OtpKeyBinding, RecordRefusedError
from validation.otp import BLOCK_OCTETS, InvalidOtpError

T = TypeVar("T")


class Rewrapper(Protocol):
    """A device that brings AEADs from one of its objects under another."""

    async def rewrap(self, source: int, target: int, aead: bytes) -> bytes:
        """Return 36 octets. Raises DeviceError."""
        ...


async def rewrapped(
    vault: StrictVault, rewrapper: Rewrapper, binding: OtpKeyBinding, record: bytes, target: int
) -> bytes:
    """Return a record of the same OTP key under the object `target` and the active binding key.

    vault: seals under `target`; it checks that the record is of its row before a device is asked.
    Raises RecordRefusedError, UnprovedRecordError, DeviceError.
    """
    source, aead = vault.unbind(binding, record)
    if source != target:
        aead = await rewrapper.rewrap(source, target, aead)
    fresh = vault.bind(binding, aead)
    await _prove(vault, binding, fresh)
    return fresh


async def _prove(vault: StrictVault, binding: OtpKeyBinding, record: bytes) -> None:
    # An octet string that is an OTP of this key by accident: one in 2**64, and no proof is lost.
    try:
        await vault.open_otp(binding, record, secrets.token_bytes(BLOCK_OCTETS))
    except InvalidOtpError:
        return
    except RecordRefusedError as refused:
        raise UnprovedRecordError(
            f"the HSM does not open what it has just rewrapped for {binding.public_id!r}: nothing"
            f" was stored. {refused}"
        ) from None


class DeviceRewrapper:
    """Rewraps on one device, in sessions of the rotator's. What a device does takes a thread."""

    def __init__(self, device: Device, rotator: Login) -> None:
        self._session = DeviceSession(device, rotator)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keystead-rewrap")

    async def rewrap(self, source: int, target: int, aead: bytes) -> bytes:
        """Return an AEAD under another object; doing it twice does no harm. Raises DeviceError."""
        payload = struct.pack("!HH", source, target) + aead
        return await self._run(
            lambda: self._session.ask(COMMAND.REWRAP_OTP_AEAD, payload, again=True)
        )

    async def close(self) -> None:
        """End the session."""
        await self._run(self._session.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def make_otp_key(session: AuthSession, model: DeviceObject, object_id: int) -> None:
    """Make a key like `model` under another id: a successor that AEADs can be rewrapped to.

    session: of the rotator's role.
    """
    OtpAeadKey.generate(
        session,
        object_id,
        f"{model.name} {object_id:04x}",
        model.domains,
        model.capabilities,
        model.algorithm,
        model.nonce_id or 0,
    )


def has_otp_key(session: AuthSession, object_id: int) -> bool:
    """Tell whether a device has an OTP AEAD key of this id, in the domains of the session."""
    found = session.list_objects(object_id=object_id, object_type=OBJECT.OTP_AEAD_KEY)
    return any(one.id == object_id for one in found)
