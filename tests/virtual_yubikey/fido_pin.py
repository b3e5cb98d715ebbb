"""The PIN of a FIDO authenticator (CTAP 2.1, section 6.5): set, changed, proved, and counted.

Eight tries in all, three in a row until power is lost; what is left is told to everybody.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.ctap2.pin import PinProtocolV1, PinProtocolV2

from tests.virtual_yubikey.ctap import CtapRefused, CtapStatus, octets
from tests.virtual_yubikey.fido_state import TRIES, FidoState, reads_fingers
from tests.virtual_yubikey.identity import Identity
from tests.virtual_yubikey.tlv import number

_IN_A_ROW = 3
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


class FidoPin:
    """What clientPIN does. state: asked for anew, because a reset replaces it."""

    def __init__(self, identity: Callable[[], Identity], state: Callable[[], FidoState]) -> None:
        self._identity = identity
        self._state = state
        self._key = ec.generate_private_key(_CURVE)
        self._wrong = 0

    def set_plainly(self, pin: str) -> None:
        """Set a PIN without a client."""
        self._state().pin_hash = _hashed(pin.encode())
        self._state().tries = TRIES

    def restart(self) -> None:
        """Begin anew: power was lost, so wrong PINs in a row are forgiven, not given back."""
        self._wrong = 0
        self._key = ec.generate_private_key(_CURVE)

    def done(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        """Carry out a subcommand; raises CtapRefused."""
        subcommand = asked.get(2)
        carry_out = _SUBCOMMANDS.get(subcommand) if isinstance(subcommand, int) else None
        if carry_out is None:
            raise CtapRefused(CtapStatus.INVALID_PARAMETER)
        return carry_out(self, asked)

    def _pin_tries(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        del asked
        told: dict[int, Any] = {3: self._state().tries}
        if self._wrong >= _IN_A_ROW:
            told[4] = True
        return told

    def _uv_tries(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        del asked
        if not reads_fingers(self._identity()):
            raise CtapRefused(CtapStatus.INVALID_PARAMETER)
        return {5: self._state().uv_tries}

    def _agreement(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        del asked
        point = self._key.public_key().public_numbers()
        return {1: {1: 2, 3: -25, -1: 1, -2: number(point.x, 32), -3: number(point.y, 32)}}

    def _set(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        if self._state().pin_hash is not None:
            raise CtapRefused(CtapStatus.PIN_AUTH_INVALID)
        protocol, secret = self._shared(asked)
        self._take(protocol, secret, asked, octets(asked, 5))
        return {}

    def _change(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        protocol, secret = self._shared(asked)
        self._check(_decrypted(protocol, secret, octets(asked, 6)))
        self._take(protocol, secret, asked, octets(asked, 5) + octets(asked, 6))
        return {}

    def _token(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        protocol, secret = self._shared(asked)
        self._check(_decrypted(protocol, secret, octets(asked, 6)))
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
        state = self._state()
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
        state.tries, self._wrong = TRIES, 0

    def _take(
        self, protocol: PinProtocol, secret: bytes, asked: Mapping[int, Any], covered: bytes
    ) -> None:
        """Take the new PIN that a client sends encrypted."""
        if not hmac.compare_digest(protocol.authenticate(secret, covered), octets(asked, 4)):
            raise CtapRefused(CtapStatus.PIN_AUTH_INVALID)
        pin = _decrypted(protocol, secret, octets(asked, 5)).rstrip(b"\0")
        if len(pin.decode("utf-8", "replace")) < self._state().minimum:
            raise CtapRefused(CtapStatus.PIN_POLICY)
        self.set_plainly(pin.decode("utf-8", "replace"))
        self._wrong, self._state().must_change = 0, False


def _hashed(pin: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(pin)
    return digest.finalize()[:16]


def _decrypted(protocol: PinProtocol, secret: bytes, encrypted: bytes) -> bytes:
    try:
        return protocol.decrypt(secret, encrypted)
    except ValueError:
        raise CtapRefused(CtapStatus.INVALID_PARAMETER) from None


_SUBCOMMANDS: Mapping[int, Callable[[FidoPin, Mapping[int, Any]], Mapping[int, Any]]] = {
    0x01: FidoPin._pin_tries,
    0x02: FidoPin._agreement,
    0x03: FidoPin._set,
    0x04: FidoPin._change,
    0x05: FidoPin._token,
    0x07: FidoPin._uv_tries,
    0x09: FidoPin._token,
}
