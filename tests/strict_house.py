"""A strict vault on an emulated HSM in this process, with two OTP AEAD keys."""

import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager

from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import OtpAeadKey

from hsm.binding import Binder, BindingKey
from hsm.device.line import Device
from hsm.device.opening import open_session
from hsm.device.pool import DevicePool
from hsm.device.session import Login
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.faults import Mishaps
from hsm.emulator.objects.identity import Identity
from hsm.keyfile import SealingKey
from hsm.provisioning.rewrap import DeviceRewrapper
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.strict_vault import StrictVault

OLD, NEW = 0x0101, 0x0102
_DERIVED = hashlib.pbkdf2_hmac("sha256", b"password", b"Yubico", 10_000, 32)
FACTORY = Login(1, _DERIVED[:16], _DERIVED[16:])
_IDENTITY = Identity.create(secrets.token_bytes)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class StrictHouse:
    """An emulator with the keys OLD and NEW, and vaults over it. keys: data keys, by number."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.clock = Clock()
        self.mishaps = Mishaps(Emulator(identity=_IDENTITY, clock=self.clock))
        backend = EmulatorBackend(self.mishaps)
        self.device = Device("the emulator", backend.another, waits=False)
        self._stack = stack
        self._numbers = itertools.count(1)
        with self.session() as session:
            for object_id in (OLD, NEW):
                OtpAeadKey.generate(
                    session,
                    object_id,
                    "otp",
                    1,
                    CAPABILITY.DECRYPT_OTP
                    | CAPABILITY.CREATE_OTP_AEAD
                    | CAPABILITY.REWRAP_FROM_OTP_AEAD_KEY
                    | CAPABILITY.REWRAP_TO_OTP_AEAD_KEY,
                    ALGORITHM.AES256_YUBICO_OTP,
                    7,
                )

    def session(self) -> AbstractContextManager[AuthSession]:
        return open_session(self.device, FACTORY)

    def a_key(self) -> SealingKey:
        return SealingKey.of(next(self._numbers).to_bytes(32, "big"))

    async def vault(
        self, otp_key: int, *data_keys: SealingKey, otp: SealingKey | None = None
    ) -> StrictVault:
        """Return a strict vault.

        data_keys: of secrets, the first one seals and binds; otp: of before strict mode.
        """
        pool = await self._stack.enter_async_context(DevicePool([self.device], FACTORY))
        rings = Rings(
            KeyRing(None, () if otp is None else (otp,)), KeyRing(data_keys[0], data_keys[1:])
        )
        binder = Binder([BindingKey.derive(key) for key in data_keys])
        return StrictVault(pool, pool, otp_key=otp_key, binder=binder, sealed=SealedVault(rings))

    def rewrapper(self) -> DeviceRewrapper:
        made = DeviceRewrapper(self.device, FACTORY)
        self._stack.push_async_callback(made.close)
        return made

    def delete(self, object_id: int) -> None:
        with self.session() as session:
            OtpAeadKey(session, object_id).delete()


@asynccontextmanager
async def strict_house() -> AsyncIterator[StrictHouse]:
    async with AsyncExitStack() as stack:
        yield StrictHouse(stack)
