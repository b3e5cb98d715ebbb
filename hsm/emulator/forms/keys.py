"""All kinds of keys by one door: made, taken in, judged, shown."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    RSAPublicNumbers,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from hsm.emulator.forms import ec, ed25519, hmac_blocks, rsa
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


def generate(algorithm: Algorithm, random: Callable[[int], bytes]) -> bytes:
    """Make an asymmetric key and return its internal form."""
    if algorithm in known.RSA:
        return rsa.generate(algorithm)
    if algorithm in known.EC:
        return ec.generate(algorithm, random)
    return ed25519.internal(random(ed25519.SEED_SIZE))


def internal(algorithm: Algorithm, private: bytes) -> bytes:
    """Return the internal form of a private key as the put commands send it."""
    if algorithm in known.RSA:
        return rsa.internal(algorithm, private)
    if algorithm in known.EC:
        return ec.internal(algorithm, private)
    return ed25519.internal(private)


def public(algorithm: Algorithm, form: bytes) -> bytes:
    """Return the public half as GET_PUBLIC_KEY sends it."""
    if algorithm in known.RSA:
        return rsa.public(form)
    if algorithm in known.EC:
        return ec.public(algorithm, form)
    return ed25519.public(form)


def public_key(algorithm: Algorithm, form: bytes) -> PublicKey:
    """Return the public half as a key."""
    if algorithm in known.RSA:
        return RSAPublicNumbers(rsa.EXPONENT, int.from_bytes(rsa.public(form))).public_key()
    if algorithm in known.EC:
        return ec.private_key(algorithm, form).public_key()
    return Ed25519PublicKey.from_public_bytes(ed25519.public(form))


def to_pkcs8(algorithm: Algorithm, form: bytes) -> bytes:
    """Write a private key as PKCS#8 (DER)."""
    key: RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
    if algorithm in known.RSA:
        key = rsa.opened(form).key
    elif algorithm in known.EC:
        key = ec.private_key(algorithm, form)
    else:
        key = Ed25519PrivateKey.from_private_bytes(ed25519.seed(form))
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def from_pkcs8(algorithm: Algorithm, encoded: bytes) -> bytes:
    """Return the internal form of a PKCS#8 key; RefusedError(INVALID_DATA) if it is another's."""
    try:
        key = load_der_private_key(encoded, None)
    except (ValueError, TypeError):
        raise RefusedError(Refusal.INVALID_DATA) from None
    if isinstance(key, RSAPrivateKey) and key.key_size == rsa.BITS.get(algorithm):
        numbers = key.private_numbers()
        if numbers.public_numbers.e == rsa.EXPONENT:
            return rsa.of_key(key)
    elif isinstance(key, EllipticCurvePrivateKey) and algorithm in known.EC:
        if key.curve.name == ec.CURVES[algorithm].name:
            return ec.of_key(algorithm, key)
    elif isinstance(key, Ed25519PrivateKey) and algorithm is Algorithm.EC_ED25519:
        return ed25519.internal(key.private_bytes_raw())
    raise RefusedError(Refusal.INVALID_DATA)


_SIZES: dict[Kind, dict[Algorithm, int]] = {
    Kind.AUTHENTICATION_KEY: known.AUTHENTICATION,
    Kind.SYMMETRIC_KEY: known.AES,
    # The nonce's id stands before the key.
    Kind.OTP_AEAD_KEY: {one: size + 4 for one, size in known.OTP.items()},
    Kind.PUBLIC_WRAP_KEY: {one: rsa.modulus_size(one) for one in known.RSA},
}


def checked(kind: Kind, algorithm: Algorithm, form: bytes) -> bytes:
    """Return an internal form that came under wrap; RefusedError when it is none of its kind."""
    if kind is Kind.ASYMMETRIC_KEY or (kind is Kind.WRAP_KEY and algorithm in known.RSA):
        return _checked_asymmetric(algorithm, form)
    if kind is Kind.HMAC_KEY and algorithm in known.HMAC:
        return hmac_blocks.checked(algorithm, form)
    if kind is Kind.OPAQUE and algorithm in known.OPAQUE:
        return form
    if kind is Kind.TEMPLATE and algorithm is Algorithm.TEMPLATE_SSH:
        return form
    sizes = known.CCM_WRAP if kind is Kind.WRAP_KEY else _SIZES.get(kind, {})
    if sizes.get(algorithm) != len(form):
        raise RefusedError(Refusal.INVALID_DATA)
    return form


def _checked_asymmetric(algorithm: Algorithm, form: bytes) -> bytes:
    if algorithm in known.RSA and len(form) * 16 == rsa.BITS[algorithm] * 7:
        rsa.opened(form)
    elif algorithm in known.EC:
        ec.private_key(algorithm, form)
    elif algorithm is Algorithm.EC_ED25519:
        ed25519.checked(form)
    else:
        raise RefusedError(Refusal.INVALID_DATA)
    return form
