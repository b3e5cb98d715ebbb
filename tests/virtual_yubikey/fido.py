"""FIDO2: what the authenticator tells without a PIN, over NFC (here) and HID (fido_hid.py)."""

from collections.abc import Callable, Mapping
from typing import Any

from fido2 import cbor

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.ctap import CtapRefused, CtapStatus, parameters
from tests.virtual_yubikey.fido_pin import FidoPin
from tests.virtual_yubikey.fido_state import info, new_state
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.tlv import number

_MESSAGE = (0x80, 0x10)
_U2F_VERSION = (0x00, 0x03)
_GET_INFO, _CLIENT_PIN, _RESET = 0x04, 0x06, 0x07


class Fido:
    """The application on the card, and what HID speaks to."""

    name = "fido"
    aid = bytes.fromhex("A0000006472F0001")
    capability: Capability | None = Capability.U2F | Capability.FIDO2
    continues = 0xC0
    # Over USB FIDO has an interface of its own; the smart card's does not show it.
    only: Transport | None = Transport.NFC

    def __init__(self, identity: Callable[[], Identity], finger: Finger) -> None:
        self.state = new_state(identity().firmware)
        self._pin = FidoPin(identity, lambda: self.state)
        self._identity = identity
        self._finger = finger

    def set_pin(self, pin: str) -> None:
        """Set a PIN without a client."""
        self._pin.set_plainly(pin)

    def restart(self) -> None:
        """Begin anew: power was lost."""
        self._pin.restart()

    def select(self) -> Response:
        """Tell which protocol it speaks."""
        return Response(b"U2F_V2")

    def leave(self) -> None:
        """Nobody is verified here."""

    def answer(self, command: Command) -> Response:
        """Answer a CTAP2 message; U2F's version too."""
        if (command.cla, command.ins) == _MESSAGE and self.knows_ctap2:
            return Response(self.message(command.data))
        if (command.cla, command.ins) == _U2F_VERSION:
            return Response(b"U2F_V2")
        raise Refused(Status.NO_INSTRUCTION)

    @property
    def knows_ctap2(self) -> bool:
        """Whether it is more than U2F."""
        return bool(self._identity().usb_supported & Capability.FIDO2)

    def message(self, message: bytes) -> bytes:
        """Answer one message: a command and its parameters in CBOR."""
        try:
            told = self._done(message[0] if message else 0, message[1:])
        except CtapRefused as refused:
            return number(refused.status, 1)
        return number(CtapStatus.OK, 1) + (cbor.encode(told) if told else b"")

    def _done(self, command: int, encoded: bytes) -> Mapping[int, Any]:
        if command == _GET_INFO:
            return info(self._identity(), self.state)
        if command == _CLIENT_PIN:
            return self._pin.done(parameters(encoded))
        if command == _RESET:
            if not self._finger.touch():
                raise CtapRefused(CtapStatus.OPERATION_DENIED)
            self.state = new_state(self._identity().firmware)
            return {}
        raise CtapRefused(CtapStatus.INVALID_COMMAND)
