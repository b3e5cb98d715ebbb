"""Several devices with the same keys, asked as one: the least loaded of those that work.

A device that fails is left alone, and looked at again by its owner until it is well. Its command
goes to another device, if there is one and the command may be done twice or was not sent at all.
"""

import asyncio
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple, Self

from yubihsm.defs import COMMAND

from hsm.device import otp
from hsm.device.asking import Asked, AskedAtOnce, AskedByThread
from hsm.device.breaker import State
from hsm.device.errors import (
    DeviceRefusedError,
    DeviceUnavailableError,
    Outage,
    SessionBrokenError,
)
from hsm.device.line import Device
from hsm.device.session import DeviceSession, Login
from validation.otp import OtpFields

WAITING = 256
"""Commands that may wait for one device: a second or two of what hardware does."""

ROOM_S = 10.0
"""So long a command that is logged waits for room in a full log."""
_ROOM_AGAIN_S = 0.02


class DeviceState(NamedTuple):
    """How a device is. load: commands waiting or under way; last: its last failure, in words."""

    where: str
    state: State
    load: int
    last: str


class DevicePool:
    """The devices of one role. For one event loop.

    stays: whether sessions are held while nobody asks. A role that is rarely used should not
    hold one of a device's sixteen.
    """

    def __init__(
        self, devices: Sequence[Device], login: Login, *, stays: bool = True, waiting: int = WAITING
    ) -> None:
        if not devices:
            raise ValueError("a pool has at least one device")
        sessions = [DeviceSession(device, login) for device in devices]
        self._devices: list[Asked] = [
            AskedByThread(session, waiting=waiting, stays=stays)
            if device.waits
            else AskedAtOnce(session)
            for device, session in zip(devices, sessions, strict=True)
        ]
        self._turn = 0

    def __repr__(self) -> str:
        return f"DevicePool({', '.join(device.where for device in self._devices)})"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin sessions. A device that cannot be had now is no error: it is tried again."""
        await asyncio.gather(*(device.start() for device in self._devices))

    async def close(self) -> None:
        """End all sessions."""
        await asyncio.gather(*(device.close() for device in self._devices))

    def states(self) -> list[DeviceState]:
        """Return how each device is, for probes and metrics."""
        return [DeviceState(one.where, one.state, one.load, one.last) for one in self._devices]

    async def decrypt_otp(self, key: int, aead: bytes, ciphertext: bytes) -> OtpFields:
        """Open an OTP inside a device; the fields have no private id and no random.

        Raises InvalidOtpError only when a device looked and found it so. Everything else is a
        DeviceError: DeviceUnavailableError, or DeviceRefusedError whose code says why.
        """
        payload = otp.decrypt_payload(key, aead, ciphertext)
        try:
            return otp.parse_decrypted(await self.ask(COMMAND.DECRYPT_OTP, payload, again=True))
        except struct.error:
            raise DeviceUnavailableError(repr(self), Outage.NONSENSE) from None

    async def create_otp_aead(self, key: int, aes_key: bytes, private_id: bytes) -> bytes:
        """Seal a credential: 36 octets. Never done twice, as the log counts. Raises DeviceError.

        While the log is full it waits for the audit pump, which empties it.
        """
        payload = otp.create_payload(key, aes_key, private_id)
        aead = await self._ask_when_there_is_room(COMMAND.CREATE_OTP_AEAD, payload)
        if len(aead) != otp.AEAD_OCTETS:
            raise DeviceUnavailableError(repr(self), Outage.NONSENSE)
        return aead

    async def get_pseudo_random(self, octets: int) -> bytes:
        """Return octets from a device's generator. Raises DeviceError."""
        payload = octets.to_bytes(2, "big")
        random = await self.ask(COMMAND.GET_PSEUDO_RANDOM, payload, again=True)
        if len(random) != octets:
            raise DeviceUnavailableError(repr(self), Outage.NONSENSE)
        return random

    async def ask(self, command: COMMAND, payload: bytes, *, again: bool) -> bytes:
        """Do a command on one device, or on a second one. Raises DeviceError, InvalidOtpError."""
        first = self._choose(None)
        try:
            return await first.ask(command, payload, again=again)
        except SessionBrokenError:
            if not again:
                raise  # it may have been done
            second = self._choose_or_none(first)
            if second is None:
                raise
        except DeviceUnavailableError:
            second = self._choose_or_none(first)
            if second is None:
                raise
        except DeviceRefusedError as refused:
            second = self._choose_or_none(first) if refused.of_device else None
            if second is None:
                raise
        return await second.ask(command, payload, again=again)

    async def _ask_when_there_is_room(self, command: COMMAND, payload: bytes) -> bytes:
        """Do what is logged. What a full log refused was not done, and is asked again."""
        ends: float | None = None
        while True:
            try:
                return await self.ask(command, payload, again=False)
            except DeviceUnavailableError as error:
                is_full, now = error.outage is Outage.LOG_FULL, time.monotonic()
                if is_full and ends is None:
                    ends = now + ROOM_S
                # A full device rests for a moment, too.
                if ends is None or now > ends or not (is_full or error.outage is Outage.RESTING):
                    raise
            await asyncio.sleep(_ROOM_AGAIN_S)

    def _choose(self, failed: Asked | None) -> Asked:
        chosen = self._choose_or_none(failed)
        if chosen is None:
            device = self._devices[self._turn]
            raise DeviceUnavailableError(device.where, Outage.RESTING, before=device.last)
        return chosen

    def _choose_or_none(self, failed: Asked | None) -> Asked | None:
        """Return the least loaded device but `failed`; equals take turns."""
        devices = self._devices
        count = len(devices)
        self._turn = turn = (self._turn + 1) % count
        best: Asked | None = None
        for index in range(turn - count, turn):
            device = devices[index]
            state = device.state
            if device is failed or state is State.OPEN:
                continue
            if state is State.TRYING:
                # One command shows whether it works again; it is not for a second attempt.
                if device.load == 0 and failed is None:
                    return device
                continue
            if best is None or device.load < best.load:
                best = device
        return best
