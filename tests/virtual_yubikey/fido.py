"""FIDO2: what the authenticator tells without a PIN, and the PIN with its tries.

CTAP 2.1, sections 6.4 and 6.5; the same over NFC, as an application on the card, and over HID
(fido_hid.py).
"""

import hmac
import secrets
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.ctap2.pin import PinProtocolV1, PinProtocolV2

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.finger import Finger
from tests.virtual_yubikey.identity import Capability, FormFactor, Identity, Transport
from tests.virtual_yubikey.tlv import number

_MESSAGE = (0x80, 0x10)
_GET_INFO, _CLIENT_PIN, _RESET = 0x04, 0x06, 0x07
_TRIES = 8
_IN_A_ROW = 3  # wrong PINs, until power is lost
_BIO = (FormFactor.USB_A_BIO, FormFactor.USB_C_BIO)
_CURVE = ec.SECP256R1()


class PinProtocol(Protocol):
    """What a shared secret is made into, and done with."""

    def kdf(self, z: bytes) -> bytes:
        """Make keys of an agreed secret."""
        ...

    def encrypt(self, key: bytes, plaintext: bytes) -> bytes:
        """Encrypt whole blocks."""
        ...

    def decrypt(self, key: bytes, ciphertext: bytes) -> bytes:
        """Decrypt whole blocks."""
        ...

    def authenticate(self, key: bytes, message: bytes) -> bytes:
        """Make a MAC."""
        ...


_PROTOCOLS: Mapping[int, PinProtocol] = {1: PinProtocolV1(), 2: PinProtocolV2()}


class CtapStatus(IntEnum):
    """The first byte of every answer."""

    OK = 0x00
    INVALID_COMMAND = 0x01
    INVALID_PARAMETER = 0x02
    INVALID_CBOR = 0x12
    MISSING_PARAMETER = 0x14
    OPERATION_DENIED = 0x27
    PIN_INVALID = 0x31
    PIN_BLOCKED = 0x32
    PIN_AUTH_INVALID = 0x33
    PIN_AUTH_BLOCKED = 0x34
    PIN_NOT_SET = 0x35
    PIN_POLICY = 0x37


class CtapRefused(Exception):  # noqa: N818 - the name of the fact
    """The authenticator does not do it."""

    def __init__(self, status: CtapStatus) -> None:
        super().__init__(status.name)
        self.status = status


@dataclass
class FidoState:
    """What it keeps. pin_hash: the first 16 bytes of SHA-256, None when no PIN is set.

    remaining: how many resident credentials still fit. aaguid: of the model, 16 bytes.
    """

    aaguid: bytes = bytes.fromhex("19083C3D83834B17BC038F1C9AB2FD1B")
    pin_hash: bytes | None = field(default=None, repr=False)
    tries: int = _TRIES
    uv_tries: int = 3
    fingerprints: bool = False
    minimum: int = 4
    must_change: bool = False
    always_uv: bool = False
    remaining: int = 100


class Fido:
    """The application, and what HID speaks to."""

    name = "fido"
    aid = bytes.fromhex("A0000006472F0001")
    capability: Capability | None = Capability.U2F | Capability.FIDO2
    continues = 0xC0
    # Over USB FIDO has an interface of its own; the smart card's does not show it.
    only: Transport | None = Transport.NFC

    def __init__(self, identity: Callable[[], Identity], finger: Finger) -> None:
        self.state = FidoState()
        self._identity = identity
        self._finger = finger
        self._key = ec.generate_private_key(_CURVE)
        self._wrong = 0

    def set_pin(self, pin: str) -> None:
        """Set a PIN without a client."""
        self.state.pin_hash = _hashed(pin.encode())
        self.state.tries = _TRIES

    def restart(self) -> None:
        """Begin anew: power was lost, so three wrong PINs in a row are forgiven, not restored."""
        self._wrong = 0
        self._key = ec.generate_private_key(_CURVE)

    def select(self) -> Response:
        """Tell which protocol it speaks."""
        return Response(b"U2F_V2")

    def leave(self) -> None:
        """Nobody is verified here."""

    def answer(self, command: Command) -> Response:
        """Answer a CTAP2 message; U2F's version too."""
        if (command.cla, command.ins) == _MESSAGE and self.knows_ctap2:
            return Response(self.message(command.data))
        if (command.cla, command.ins) == (0x00, 0x03):
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
            return self.info()
        if command == _CLIENT_PIN:
            return self._client_pin(_decoded(encoded))
        if command == _RESET:
            if not self._finger.touch():
                raise CtapRefused(CtapStatus.OPERATION_DENIED)
            self.state = FidoState(aaguid=self.state.aaguid)
            return {}
        raise CtapRefused(CtapStatus.INVALID_COMMAND)

    def info(self) -> dict[int, Any]:
        """Return what getInfo tells; firmware 5.7 tells more, and 2.1 is more than its preview."""
        identity, state = self._identity(), self.state
        new = identity.firmware >= (5, 7)
        options = {"rk": True, "up": True, "plat": False, "clientPin": state.pin_hash is not None}
        options["credMgmt" if new else "credentialMgmtPreview"] = True
        told: dict[int, Any] = {
            1: ["U2F_V2", "FIDO_2_0", "FIDO_2_1" if new else "FIDO_2_1_PRE"],
            2: ["credProtect", "hmac-secret"] + (["minPinLength"] if new else []),
            3: state.aaguid,
            4: options,
            5: 1200,
            6: [2, 1],
            7: 8,
            8: 128,
            9: ["nfc", "usb"],
            10: [{"alg": -7, "type": "public-key"}, {"alg": -8, "type": "public-key"}],
        }
        if identity.form_factor in _BIO:
            options["uv"] = options["bioEnroll"] = state.fingerprints
        if new:
            options |= {"alwaysUv": state.always_uv, "authnrCfg": True, "pinUvAuthToken": True}
            options |= {"makeCredUvNotRqd": not state.always_uv, "setMinPINLength": True}
            told |= {12: state.must_change, 13: state.minimum}
            told |= {14: int.from_bytes(bytes(identity.firmware), "big"), 20: state.remaining}
        return told

    def _client_pin(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        subcommand = asked.get(2)
        carry_out = _SUBCOMMANDS.get(subcommand) if isinstance(subcommand, int) else None
        if carry_out is None:
            raise CtapRefused(CtapStatus.INVALID_PARAMETER)
        return carry_out(self, asked)

    def _pin_tries(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        del asked
        told: dict[int, Any] = {3: self.state.tries}
        if self._wrong >= _IN_A_ROW:
            told[4] = True
        return told

    def _uv_tries(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        del asked
        if self._identity().form_factor not in _BIO:
            raise CtapRefused(CtapStatus.INVALID_PARAMETER)
        return {5: self.state.uv_tries}

    def _agreement(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        del asked
        point = self._key.public_key().public_numbers()
        return {1: {1: 2, 3: -25, -1: 1, -2: number(point.x, 32), -3: number(point.y, 32)}}

    def _set(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        if self.state.pin_hash is not None:
            raise CtapRefused(CtapStatus.PIN_AUTH_INVALID)
        protocol, secret = self._shared(asked)
        self._take(protocol, secret, asked, _bytes(asked, 5))
        return {}

    def _change(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        protocol, secret = self._shared(asked)
        self._check(_decrypted(protocol, secret, _bytes(asked, 6)))
        self._take(protocol, secret, asked, _bytes(asked, 5) + _bytes(asked, 6))
        return {}

    def _token(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        protocol, secret = self._shared(asked)
        self._check(_decrypted(protocol, secret, _bytes(asked, 6)))
        return {2: protocol.encrypt(secret, secrets.token_bytes(32))}

    def _shared(self, asked: Mapping[int, Any]) -> tuple[PinProtocol, bytes]:
        """Return the protocol and the secret that the client's key makes; raises CtapRefused."""
        try:
            protocol, peer = _PROTOCOLS[asked[1]], asked[3]
            numbers = ec.EllipticCurvePublicNumbers(
                int.from_bytes(peer[-2], "big"), int.from_bytes(peer[-3], "big"), _CURVE
            )
            secret = self._key.exchange(ec.ECDH(), numbers.public_key())
        except (LookupError, TypeError, ValueError):
            raise CtapRefused(CtapStatus.INVALID_PARAMETER) from None
        return protocol, protocol.kdf(secret)

    def _check(self, given: bytes) -> None:
        """Spend a try; raises CtapRefused when the PIN is wrong or blocked."""
        state = self.state
        if state.pin_hash is None:
            raise CtapRefused(CtapStatus.PIN_NOT_SET)
        if not state.tries:
            raise CtapRefused(CtapStatus.PIN_BLOCKED)
        if self._wrong >= _IN_A_ROW:
            raise CtapRefused(CtapStatus.PIN_AUTH_BLOCKED)
        state.tries -= 1
        if not hmac.compare_digest(given, state.pin_hash):
            self._wrong += 1
            self._key = ec.generate_private_key(_CURVE)
            if not state.tries:
                raise CtapRefused(CtapStatus.PIN_BLOCKED)
            blocked = self._wrong >= _IN_A_ROW
            raise CtapRefused(CtapStatus.PIN_AUTH_BLOCKED if blocked else CtapStatus.PIN_INVALID)
        state.tries, self._wrong = _TRIES, 0

    def _take(
        self, protocol: PinProtocol, secret: bytes, asked: Mapping[int, Any], covered: bytes
    ) -> None:
        """Take the new PIN that a client sends encrypted."""
        if not hmac.compare_digest(protocol.authenticate(secret, covered), _bytes(asked, 4)):
            raise CtapRefused(CtapStatus.PIN_AUTH_INVALID)
        pin = _decrypted(protocol, secret, _bytes(asked, 5)).rstrip(b"\0")
        if len(pin.decode("utf-8", "replace")) < self.state.minimum:
            raise CtapRefused(CtapStatus.PIN_POLICY)
        self.state.pin_hash = _hashed(pin)
        self.state.tries, self._wrong, self.state.must_change = _TRIES, 0, False


def _hashed(pin: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(pin)
    return digest.finalize()[:16]


def _bytes(asked: Mapping[int, Any], parameter: int) -> bytes:
    value = asked.get(parameter)
    if not isinstance(value, bytes):
        raise CtapRefused(CtapStatus.MISSING_PARAMETER)
    return value


def _decrypted(protocol: PinProtocol, secret: bytes, encrypted: bytes) -> bytes:
    try:
        return protocol.decrypt(secret, encrypted)
    except ValueError:
        raise CtapRefused(CtapStatus.INVALID_PARAMETER) from None


def _decoded(encoded: bytes) -> Mapping[int, Any]:
    try:
        decoded = cbor.decode(encoded)
    except (LookupError, TypeError, ValueError, struct.error):  # all that the library raises
        raise CtapRefused(CtapStatus.INVALID_CBOR) from None
    if not isinstance(decoded, Mapping):
        raise CtapRefused(CtapStatus.INVALID_CBOR)
    return decoded


_SUBCOMMANDS: Mapping[int, Callable[[Fido, Mapping[int, Any]], Mapping[int, Any]]] = {
    0x01: Fido._pin_tries,
    0x02: Fido._agreement,
    0x03: Fido._set,
    0x04: Fido._change,
    0x05: Fido._token,
    0x07: Fido._uv_tries,
    0x09: Fido._token,
}
