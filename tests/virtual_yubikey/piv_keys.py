"""Keys of PIV: their types, how a key tells its public half, and what it does with the private."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils, x25519

from tests.virtual_yubikey.apdu import Refused, Status
from tests.virtual_yubikey.identity import Firmware
from tests.virtual_yubikey.manufacturer import new_rsa_key
from tests.virtual_yubikey.tlv import fields, number, tlv

PrivateKey: TypeAlias = (
    ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | rsa.RSAPrivateKey
    | x25519.X25519PrivateKey
)

_RAW = serialization.Encoding.Raw
_RAW_PUBLIC = serialization.PublicFormat.Raw
_MODULUS = 0x81
_EXPONENT = 0x82
_POINT = 0x86
_RSA_P, _RSA_Q = 0x01, 0x02
_EC_SCALAR, _ED25519, _X25519 = 0x06, 0x07, 0x08
_DIGESTS: dict[int, Callable[[], hashes.HashAlgorithm]] = {
    20: hashes.SHA1,
    32: hashes.SHA256,
    48: hashes.SHA384,
    64: hashes.SHA512,
}


class KeyType(IntEnum):
    """Algorithms, as SP 800-78 and Yubico number them."""

    RSA3072 = 0x05
    RSA1024 = 0x06
    RSA2048 = 0x07
    ECCP256 = 0x11
    ECCP384 = 0x14
    RSA4096 = 0x16
    ED25519 = 0xE0
    X25519 = 0xE1

    @property
    def since(self) -> tuple[int, int]:
        """The firmware that knows it first."""
        if self in (KeyType.RSA3072, KeyType.RSA4096, KeyType.ED25519, KeyType.X25519):
            return (5, 7)
        return (4, 0) if self is KeyType.ECCP384 else (3, 0)

    @property
    def rsa_bits(self) -> int:
        """The size of an RSA key, 0 for others."""
        return int(self.name[3:]) if self.name.startswith("RSA") else 0


class PinPolicy(IntEnum):
    """When the PIN is asked for."""

    DEFAULT = 0
    NEVER = 1
    ONCE = 2
    ALWAYS = 3


class TouchPolicy(IntEnum):
    """When a touch is asked for."""

    DEFAULT = 0
    NEVER = 1
    ALWAYS = 2
    CACHED = 3


@dataclass(frozen=True)
class SlotKey:
    """A key in a slot, with policies that are none of DEFAULT."""

    type: KeyType
    private: PrivateKey
    pin: PinPolicy
    touch: TouchPolicy
    generated: bool


def generate(kind: KeyType) -> PrivateKey:
    """Generate a key."""
    if kind.rsa_bits:
        return new_rsa_key(kind.rsa_bits)
    if kind is KeyType.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if kind is KeyType.X25519:
        return x25519.X25519PrivateKey.generate()
    return ec.generate_private_key(_curve(kind))


def imported(kind: KeyType, data: dict[int, bytes]) -> PrivateKey:
    """Return the key that IMPORT carries; raises Refused."""
    try:
        if kind.rsa_bits:
            return _rsa_key(*(int.from_bytes(data[tag], "big") for tag in (_RSA_P, _RSA_Q)))
        if kind is KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.from_private_bytes(data[_ED25519])
        if kind is KeyType.X25519:
            return x25519.X25519PrivateKey.from_private_bytes(data[_X25519])
        return ec.derive_private_key(int.from_bytes(data[_EC_SCALAR], "big"), _curve(kind))
    except (KeyError, ValueError):
        raise Refused(Status.WRONG_DATA) from None


def known(number_of_type: int, firmware: Firmware) -> KeyType:
    """Return the type of a number; raises Refused when the firmware does not know it."""
    try:
        kind = KeyType(number_of_type)
    except ValueError:
        raise Refused(Status.WRONG_DATA) from None
    if firmware < kind.since:
        raise Refused(Status.WRONG_DATA)
    return kind


def public_part(private: PrivateKey) -> bytes:
    """Return the public half as a key tells it: modulus and exponent, or a point."""
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        modulus = number(numbers.n, public.key_size // 8)
        return tlv(_MODULUS, modulus) + tlv(_EXPONENT, number(numbers.e, 3))
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return tlv(_POINT, point)
    return tlv(_POINT, public.public_bytes(_RAW, _RAW_PUBLIC))


def signed(private: PrivateKey, data: bytes) -> bytes:
    """Sign a digest (EC), a message (Ed25519) or a padded block (RSA); raises Refused."""
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.private_numbers()
        size = private.key_size // 8
        if len(data) != size:
            raise Refused(Status.WRONG_LENGTH)
        block = int.from_bytes(data, "big")
        return number(pow(block, numbers.d, numbers.public_numbers.n), size)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(data)
    if isinstance(private, ec.EllipticCurvePrivateKey) and len(data) in _DIGESTS:
        return private.sign(data, ec.ECDSA(utils.Prehashed(_DIGESTS[len(data)]())))
    raise Refused(Status.WRONG_DATA)


def agreed(private: PrivateKey, peer: bytes) -> bytes:
    """Return the secret shared with the owner of a public point; raises Refused."""
    try:
        if isinstance(private, ec.EllipticCurvePrivateKey):
            point = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, peer)
            return private.exchange(ec.ECDH(), point)
        if isinstance(private, x25519.X25519PrivateKey):
            return private.exchange(x25519.X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        raise Refused(Status.WRONG_DATA) from None
    raise Refused(Status.WRONG_DATA)


def policies(
    slot: int, encoded: dict[int, bytes], firmware: Firmware
) -> tuple[PinPolicy, TouchPolicy]:
    """Return the policies a command asks for, or the slot's own; raises Refused."""
    try:
        pin = PinPolicy(encoded.get(0xAA, b"\0")[0])
        touch = TouchPolicy(encoded.get(0xAB, b"\0")[0])
    except (IndexError, ValueError):
        raise Refused(Status.WRONG_DATA) from None
    if touch is TouchPolicy.CACHED and firmware < (4, 3):
        raise Refused(Status.WRONG_DATA)
    if pin is PinPolicy.DEFAULT:
        pin = {0x9C: PinPolicy.ALWAYS, 0x9E: PinPolicy.NEVER}.get(slot, PinPolicy.ONCE)
    return pin, TouchPolicy.NEVER if touch is TouchPolicy.DEFAULT else touch


def generation(data: bytes) -> dict[int, bytes]:
    """Return what GENERATE asks for; raises Refused, BadTlv."""
    asked = fields(fields(data).get(0xAC, b""))
    if len(asked.get(0x80, b"")) != 1:
        raise Refused(Status.WRONG_DATA)
    return asked


def _curve(kind: KeyType) -> ec.EllipticCurve:
    return ec.SECP256R1() if kind is KeyType.ECCP256 else ec.SECP384R1()


def _rsa_key(p: int, q: int) -> rsa.RSAPrivateKey:
    exponent = 65537
    d = rsa.rsa_recover_private_exponent(exponent, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(exponent, p * q),
    )
    return numbers.private_key()
