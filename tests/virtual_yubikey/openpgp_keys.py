"""Keys of OpenPGP: their attributes as the specification encodes them, and what they do."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils, x25519

from tests.virtual_yubikey.apdu import Refused, Status
from tests.virtual_yubikey.identity import Firmware
from tests.virtual_yubikey.piv_keys import PrivateKey, agreed, public_part
from tests.virtual_yubikey.tlv import fields, number, tlv

_RSA, _ECDH, _ECDSA, _EDDSA = 0x01, 0x12, 0x13, 0x16
_EXPONENT_BITS = 17
_P256 = bytes.fromhex("2A8648CE3D030107")
_P384 = bytes.fromhex("2B81040022")
_ED25519 = bytes.fromhex("2B06010401DA470F01")
_X25519 = bytes.fromhex("2B060104019755010501")
_NAMED = {
    "P256": number(_ECDSA, 1) + _P256,
    "P384": number(_ECDSA, 1) + _P384,
    "ED25519": number(_EDDSA, 1) + _ED25519,
    "X25519": number(_ECDH, 1) + _X25519,
}
_HASHES: dict[int, Callable[[], hashes.HashAlgorithm]] = {
    32: hashes.SHA256,
    48: hashes.SHA384,
    64: hashes.SHA512,
}
# What goes before a digest in PKCS #1 signatures, by how long it is with the digest.
_DIGEST_INFO = {19 + size: digest for size, digest in _HASHES.items()}


@dataclass(frozen=True)
class PgpKey:
    """A key. made: seconds since 1970, part of its fingerprint."""

    private: PrivateKey
    made: int

    @property
    def fingerprint(self) -> bytes:
        """Twenty bytes that name the key; only clients know the real rule, and set them."""
        told = public_part(self.private) + number(self.made, 4)
        return hashlib.sha1(told, usedforsecurity=False).digest()

    def signed(self, data: bytes) -> bytes:
        """Sign a digest, with its name before it for RSA; raises Refused."""
        private = self.private
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(data)
        if isinstance(private, rsa.RSAPrivateKey) and len(data) in _DIGEST_INFO:
            digest = _DIGEST_INFO[len(data)]()
            prehashed = utils.Prehashed(digest)
            return private.sign(data[-digest.digest_size :], padding.PKCS1v15(), prehashed)
        if isinstance(private, ec.EllipticCurvePrivateKey) and len(data) in _HASHES:
            whole = private.sign(data, ec.ECDSA(utils.Prehashed(_HASHES[len(data)]())))
            size = (private.key_size + 7) // 8
            return b"".join(number(part, size) for part in utils.decode_dss_signature(whole))
        raise Refused(Status.WRONG_DATA)

    def deciphered(self, data: bytes) -> bytes:
        """Decrypt (RSA, a 0 before it) or agree on a secret (a point in A6, 7F49, 86)."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            try:
                return self.private.decrypt(data[1:], padding.PKCS1v15())
            except ValueError:
                raise Refused(Status.WRONG_DATA) from None
        point = fields(fields(fields(data).get(0xA6, b"")).get(0x7F49, b"")).get(0x86, b"")
        return agreed(self.private, point)


def attributes(name: str) -> bytes:
    """Return the attributes of RSA2048, P256, P384, ED25519 or X25519."""
    if name.startswith("RSA"):
        size = number(int(name[3:]), 2)
        return number(_RSA, 1) + size + number(_EXPONENT_BITS, 2) + b"\0"
    return _NAMED[name]


def supported(firmware: Firmware) -> bytes:
    """Return which attributes each kind of key can have (data object FA).

    Up to firmware 5.6.0 keys list X25519 and Ed25519 where they make no sense, and clients know.
    """
    muddled = firmware < (5, 6, 1)
    sizes = [attributes(f"RSA{bits}") for bits in (2048, 3072, 4096)]
    curves, edwards = (_P256, _P384), number(_EDDSA, 1) + _ED25519
    signing = [*sizes, *(number(_ECDSA, 1) + curve for curve in curves), edwards]
    decrypting = [*sizes, *(number(_ECDH, 1) + curve for curve in (*curves, _X25519))]
    if muddled:
        signing.append(number(_EDDSA, 1) + _X25519)
        decrypting += [edwards, number(_EDDSA, 1) + _X25519]
    told = {0xC1: signing, 0xC2: decrypting, 0xC3: signing, 0xDA: list(signing)}
    if not muddled:
        told[0xDA].remove(edwards)
    return tlv(0xFA, b"".join(tlv(tag, one) for tag, all_of in told.items() for one in all_of))


def generated(encoded: bytes) -> PgpKey:
    """Generate a key of some attributes; raises Refused."""
    return PgpKey(_private(encoded), int(time.time()))


def public_template(key: PgpKey) -> bytes:
    """Return the public half in the template that GENERATE answers with."""
    return tlv(0x7F49, public_part(key.private))


def _private(encoded: bytes) -> PrivateKey:
    algorithm, rest = encoded[0], encoded[1:]
    if algorithm == _RSA:
        return rsa.generate_private_key(65537, int.from_bytes(rest[:2], "big"))
    if rest.startswith(_P256):
        return ec.generate_private_key(ec.SECP256R1())
    if rest.startswith(_P384):
        return ec.generate_private_key(ec.SECP384R1())
    if rest.startswith(_ED25519):
        return ed25519.Ed25519PrivateKey.generate()
    if rest.startswith(_X25519):
        return x25519.X25519PrivateKey.generate()
    raise Refused(Status.WRONG_DATA)
