"""SCP11b (GlobalPlatform, Amendment F 1.4): the key proves its static key, we prove nothing.

We send a fresh public key; the key answers with a fresh one of its own and a receipt. The keys of
the channel come from two agreements: fresh with fresh, and ours with the key's static one. Only
who has the static private key can make the receipt, and only now: an answer from yesterday is none
to the fresh key of today. Parameters are those of a YubiKey: P-256, AES-128, all messages
encrypted and with a MAC (docs.yubico.com, "Secure Channel Protocol (SCP)").
"""

from cryptography.hazmat.primitives import constant_time, hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from server.fleet.channel.card import GarbageError, command, read_tlvs, tlv
from server.fleet.channel.secure_messaging import (
    KEY_OCTETS,
    AlteredError,
    SecureMessaging,
    SessionKeys,
    aes_cmac,
)

KEY_ID = 0x13
"""Which kind of key of a security domain it is: SK.SD.ECKA of SCP11b."""

_INTERNAL_AUTHENTICATE = 0x88
_CONTROL, _PUBLIC, _RECEIPT = 0xA6, 0x5F49, 0x86
_SCP11B = b"\x11\x00"  # the protocol, and its parameters: b
_USAGE, _AES, _LENGTH = b"\x3c", b"\x88", bytes([KEY_OCTETS])
_RECEIPT_OCTETS = 16


class Handshake:
    """One channel to be. private: a fresh key on P-256; version: of the key's static one."""

    def __init__(self, private: ec.EllipticCurvePrivateKey, version: int) -> None:
        self._private = private
        point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        control = tlv(0x90, _SCP11B) + tlv(0x95, _USAGE) + tlv(0x80, _AES) + tlv(0x81, _LENGTH)
        self._asked = tlv(_CONTROL, control) + tlv(_PUBLIC, point)
        self._header = bytes([0x80, _INTERNAL_AUTHENTICATE, version, KEY_ID])

    @property
    def command(self) -> bytes:
        """INTERNAL AUTHENTICATE, to the application that is selected."""
        return command(self._header, self._asked)

    def agree(self, answer: bytes, static: ec.EllipticCurvePublicKey) -> SecureMessaging:
        """Return the channel. static: the key's, which has to be on P-256.

        AlteredError: the answer was not made by who has the static private key, or not to our
        question. GarbageError.
        """
        found = read_tlvs(answer)
        if [tag for tag, _ in found] != [_PUBLIC, _RECEIPT]:
            raise GarbageError("an answer that is no public key with a receipt")
        (_, point), (_, receipt) = found
        try:
            fresh = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            raise GarbageError("a public key that is no point of the curve") from None
        if len(receipt) != _RECEIPT_OCTETS:
            raise GarbageError("a receipt that is not 16 octets long")
        secret = self._private.exchange(ec.ECDH(), fresh)
        secret += self._private.exchange(ec.ECDH(), static)
        return derive(secret, self._asked + tlv(_PUBLIC, point), receipt)


def derive(secret: bytes, agreed: bytes, receipt: bytes) -> SecureMessaging:
    """Return the channel that two parties agreed on. AlteredError.

    secret: what came of both agreements; agreed: what both said; receipt: the proof that the key
    has the same (Amendment F, 3.1.2 and 6.5.2.3).
    """
    info = _USAGE + _AES + _LENGTH
    derived = X963KDF(hashes.SHA256(), 5 * KEY_OCTETS, info).derive(secret)
    for_receipt, *others = (
        derived[at : at + KEY_OCTETS] for at in range(0, 4 * KEY_OCTETS, KEY_OCTETS)
    )
    # The fifth would encrypt keys that are put onto the card.
    if not constant_time.bytes_eq(aes_cmac(for_receipt, agreed), receipt):
        raise AlteredError("the receipt is wrong: this is not the key whose certificate came")
    return SecureMessaging(SessionKeys(*others), receipt)
