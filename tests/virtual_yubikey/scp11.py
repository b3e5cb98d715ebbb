"""SCP11b (GlobalPlatform, Amendment F): the key proves itself by its static key.

A channel is agreed on with that. It does not prove the client, so what changes keys stays forbidden
inside.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.channel import SecureChannel, SessionKeys, aes_cmac
from tests.virtual_yubikey.identity import Firmware
from tests.virtual_yubikey.tlv import fields, items, tlv

SINCE = (5, 7, 2)
_CLASS = 0x80
_INTERNAL_AUTHENTICATE = 0x88
_CONTROL = 0xA6
_EPHEMERAL = 0x5F49
_RECEIPT = 0x86
_KEY = 16
# What a client has to ask for, the only thing that keys do: SCP11b, all messages encrypted and
# MACed both ways, AES-128.
_ASKED = {0x90: b"\x11\x00", 0x95: b"\x3c", 0x80: b"\x88", 0x81: b"\x10"}


@dataclass(frozen=True)
class KeyReference:
    """Which key: its identifier, which says the protocol, and its version."""

    kid: int
    kvn: int

    def __bytes__(self) -> bytes:
        return bytes((self.kid, self.kvn))


@dataclass(frozen=True)
class ChannelKey:
    """The static key of SCP11b."""

    reference: KeyReference
    private: ec.EllipticCurvePrivateKey


class Channels:
    """Where channels begin and end; at most one is open.

    firmware, key: what the key has now. The application that is selected is the other end.
    """

    def __init__(
        self, firmware: Callable[[], Firmware], key: Callable[[], ChannelKey | None]
    ) -> None:
        self._firmware = firmware
        self._key = key
        self._channel: SecureChannel | None = None

    def begins(self, command: Command) -> bool:
        """Return whether a command asks for a channel."""
        return command.cla == _CLASS and command.ins == _INTERNAL_AUTHENTICATE

    def begin(self, command: Command) -> Response:
        """Agree on keys; raises Refused, BadTlv."""
        key = self._key()
        if self._firmware() < SINCE:
            raise Refused(Status.NO_INSTRUCTION)
        if key is None or bytes(key.reference) != bytes((command.p2, command.p1)):
            raise Refused(Status.NO_REFERENCE)
        own = ec.generate_private_key(ec.SECP256R1())
        point = own.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        answer = tlv(_EPHEMERAL, point)
        peer = _asked(command.data)
        secret = own.exchange(ec.ECDH(), peer) + key.private.exchange(ec.ECDH(), peer)
        shared = _ASKED[0x95] + _ASKED[0x80] + _ASKED[0x81]
        derived = X963KDF(hashes.SHA256(), 5 * _KEY, shared).derive(secret)
        for_receipt, *for_messages = (derived[at : at + _KEY] for at in range(0, 4 * _KEY, _KEY))
        receipt = aes_cmac(for_receipt, command.data + answer)
        self._channel = SecureChannel(SessionKeys(*for_messages), receipt)
        return Response(answer + tlv(_RECEIPT, receipt))

    def opened(self, command: Command) -> Command:
        """Return a secured command in plain; raises Refused, and ends the channel then."""
        if self._channel is None:
            raise Refused(Status.NO_CLASS if self._firmware() < SINCE else Status.SECURITY)
        try:
            return self._channel.opened(command)
        except Refused:
            self.end()
            raise

    def closed(self, response: Response) -> Response:
        """Secure the response to the command that was opened last."""
        if self._channel is None:
            return response
        return self._channel.closed(response)

    def end(self) -> None:
        """End the channel, if one is open."""
        self._channel = None


def _asked(data: bytes) -> ec.EllipticCurvePublicKey:
    """Return the client's ephemeral key; raises Refused, BadTlv."""
    asked = list(items(data))
    if [tag for tag, _ in asked] != [_CONTROL, _EPHEMERAL] or fields(asked[0][1]) != _ASKED:
        raise Refused(Status.WRONG_DATA)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), asked[1][1])
    except ValueError:
        raise Refused(Status.WRONG_DATA) from None
