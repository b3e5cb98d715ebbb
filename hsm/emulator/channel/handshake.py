"""How sessions begin: a challenge under symmetric keys, or an exchange of EC keys (from 2.3)."""

from dataclasses import dataclass
from hmac import compare_digest

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.emulator.channel.scp03 import (
    BLOCK,
    MAC_SIZE,
    SessionKeys,
    card_cryptogram,
    cmac,
    host_cryptogram,
    session_keys,
)
from hsm.emulator.channel.secure_channel import SecureChannel
from hsm.emulator.wire.command import Command
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.message import Message
from hsm.emulator.wire.refusal import Refusal, RefusedError

POINT_SIZE = 65
"""An uncompressed point of P-256: 04 x y."""

# Key usage and type of GlobalPlatform's SCP11a for the four keys derived at once.
_SHARED_INFO = b"\x3c\x88\x10"


@dataclass(frozen=True, slots=True)
class Challenged:
    """A session that waits for the host to prove itself."""

    keys: SessionKeys
    context: bytes

    @classmethod
    def begin(cls, stored: bytes, host_challenge: bytes, card_challenge: bytes) -> "Challenged":
        """Take the 32 octets of an authentication key (encryption, MAC) and both challenges."""
        context = host_challenge + card_challenge
        return cls(session_keys(stored[:BLOCK], stored[BLOCK:], context), context)

    def cryptogram(self) -> bytes:
        """Return the device's proof, 8 octets."""
        return card_cryptogram(self.keys, self.context)

    def authenticate(self, payload: bytes) -> SecureChannel:
        """Judge AUTHENTICATE_SESSION's payload: session(1) cryptogram(8) MAC(8)."""
        fields = Fields(payload)
        fields.u8()
        cryptogram = fields.take(MAC_SIZE)
        mac = fields.take(MAC_SIZE)
        fields.end()
        signed = Message(Command.AUTHENTICATE_SESSION, payload).encode()[:-MAC_SIZE]
        chain = cmac(self.keys.command_mac, bytes(BLOCK), signed)
        expected = host_cryptogram(self.keys, self.context) + chain[:MAC_SIZE]
        if not compare_digest(expected, cryptogram + mac):
            raise RefusedError(Refusal.AUTHENTICATION_FAILED)
        return SecureChannel(self.keys, chain)


def exchange(
    stored: bytes,
    host_ephemeral: bytes,
    static: EllipticCurvePrivateKey,
    ephemeral: EllipticCurvePrivateKey,
) -> tuple[SecureChannel, bytes]:
    """Agree on a session: (channel, what the device answers: its ephemeral point and receipt).

    stored: the host's static public key, x and y. RefusedError(INVALID_DATA) for a point that is
    none. The host proves itself with its first command, which only the right keys can seal.
    """
    host_static = point(b"\x04" + stored)
    shared = ephemeral.exchange(ECDH(), point(host_ephemeral))
    shared += static.exchange(ECDH(), host_static)
    derived = X963KDF(SHA256(), 4 * BLOCK, _SHARED_INFO).derive(shared)
    receipt_key, *keys = (derived[at : at + BLOCK] for at in range(0, len(derived), BLOCK))
    mine = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    receipt = cmac(receipt_key, mine, host_ephemeral)
    return SecureChannel(SessionKeys(*keys), receipt), mine + receipt


def point(encoded: bytes) -> EllipticCurvePublicKey:
    """Read a point of P-256; RefusedError(INVALID_DATA) when it is not on the curve."""
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), encoded)
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None
