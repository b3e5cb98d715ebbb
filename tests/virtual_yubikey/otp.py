"""OTP: two slots, programmed or not; who programs one over has to know its access code."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.tlv import number

_CONFIGURE = 0x01
_STATUS = 0x03
_PROGRAM = {0x01: 0, 0x03: 1}  # what P1 says, and the slot that it means
_CHALLENGE = {0x30: 0, 0x38: 1}
_SERIAL = 0x10
_VALID = (0x01, 0x02)
_TOUCH = (0x04, 0x08)
_CONFIGURATION = 52  # bytes; the code that the slot has now follows
_CODE = 6
_NO_CODE = bytes(_CODE)
_CHALLENGE_RESPONSE = 0x40  # in the ticket flags
_HMAC = 0x22  # in the configuration flags
_SHORT = 0x04  # challenges of less than 64 bytes: what repeats at the end is none of it
_BUTTON = 0x08


@dataclass(frozen=True)
class OtpSlot:
    """A programmed slot. touch: a touch makes it type; else it answers challenges.

    button: answering takes a touch too. secret: of HMAC-SHA1, empty for other kinds.
    """

    touch: bool = True
    button: bool = False
    short: bool = False
    secret: bytes = field(default=b"", repr=False)
    access_code: bytes = field(default=_NO_CODE, repr=False)


class Otp:
    """The application. slots: one and two, None when empty."""

    name = "otp"
    aid = bytes.fromhex("A000000527200101")
    capability: Capability | None = Capability.OTP
    continues = 0xC0
    only: Transport | None = None

    def __init__(self, identity: Callable[[], Identity], finger: Finger) -> None:
        self.slots: list[OtpSlot | None] = [None, None]
        self._identity = identity
        self._finger = finger
        self._changes = 0

    def select(self) -> Response:
        """Answer with the status."""
        return Response(self._status())

    def leave(self) -> None:
        """Nobody is verified here."""

    def answer(self, command: Command) -> Response:
        """Tell, program or answer a challenge."""
        if command.ins == _STATUS:
            return Response(self._status())
        if command.ins != _CONFIGURE:
            raise Refused(Status.NO_INSTRUCTION)
        if command.p1 in _PROGRAM:
            self._program(_PROGRAM[command.p1], command.data)
            return Response(self._status())
        if command.p1 in _CHALLENGE:
            return Response(self._response(_CHALLENGE[command.p1], command.data))
        serial = self._identity().serial
        if command.p1 == _SERIAL and serial is not None:
            return Response(number(serial, 4))
        raise Refused(Status.WRONG_PARAMETERS)

    def _status(self) -> bytes:
        state = 0
        for slot, valid, touch in zip(self.slots, _VALID, _TOUCH, strict=True):
            state |= valid * (slot is not None) | touch * (slot is not None and slot.touch)
        sequence = self._changes % 256 if any(self.slots) else 0
        return bytes(self._identity().firmware) + bytes((sequence, state, 0))

    def _program(self, index: int, data: bytes) -> None:
        configuration, code = data[:_CONFIGURATION], data[_CONFIGURATION:]
        if len(configuration) != _CONFIGURATION or len(code) not in (0, _CODE):
            raise Refused(Status.WRONG_LENGTH)
        held = self.slots[index]
        if held is not None and held.access_code not in (_NO_CODE, code):
            raise Refused(Status.SECURITY)
        self._changes += 1
        self.slots[index] = _parsed(configuration) if any(configuration) else None

    def _response(self, index: int, challenge: bytes) -> bytes:
        slot = self.slots[index]
        if slot is None or not slot.secret:
            raise Refused(Status.CONDITIONS)
        if slot.button and not self._finger.touch():
            raise Refused(Status.SECURITY)
        if slot.short and challenge:
            challenge = challenge.rstrip(challenge[-1:])
        return hmac.digest(slot.secret, challenge, hashlib.sha1)


def _parsed(configuration: bytes) -> OtpSlot:
    identity, key = configuration[16:22], configuration[22:38]
    access_code = configuration[38:44]
    ticket, flags = configuration[46], configuration[47]
    challenged = bool(ticket & _CHALLENGE_RESPONSE)
    mac = challenged and flags & _HMAC == _HMAC
    return OtpSlot(
        touch=not challenged,
        button=challenged and bool(flags & _BUTTON),
        short=bool(mac and flags & _SHORT),
        secret=key + identity[:4] if mac else b"",
        access_code=access_code,
    )
