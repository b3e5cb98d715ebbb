"""EC keys: private value, x and y, each as long as the curve's field."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.refusal import Refusal, RefusedError

_A = Algorithm
# Each curve with its order (SEC 2, RFC 5639): random values are brought below it.
CURVES: dict[Algorithm, tuple[ec.EllipticCurve, int]] = {
    algorithm: (curve, int(order, 16))
    for algorithm, curve, order in (
        (
            _A.EC_P224,
            ec.SECP224R1(),
            "ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d",
        ),
        (
            _A.EC_P256,
            ec.SECP256R1(),
            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        ),
        (
            _A.EC_P384,
            ec.SECP384R1(),
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf"
            "581a0db248b0a77aecec196accc52973",
        ),
        (
            _A.EC_P521,
            ec.SECP521R1(),
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
            "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        ),
        (
            _A.EC_K256,
            ec.SECP256K1(),
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        ),
        (
            _A.EC_BP256,
            ec.BrainpoolP256R1(),
            "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
        ),
        (
            _A.EC_BP384,
            ec.BrainpoolP384R1(),
            "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7"
            "cf3ab6af6b7fc3103b883202e9046565",
        ),
        (
            _A.EC_BP512,
            ec.BrainpoolP512R1(),
            "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870"
            "553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069",
        ),
    )
}

_EXTRA = 8
"""Octets of randomness beyond the order's size, so that the remainder is not biased (FIPS 186)."""


def field_size(algorithm: Algorithm) -> int:
    """Return the octets of a coordinate."""
    return (CURVES[algorithm][0].key_size + 7) // 8


def generate(algorithm: Algorithm, random: Callable[[int], bytes]) -> bytes:
    """Make a key and return its internal form."""
    _, order = CURVES[algorithm]
    seed = int.from_bytes(random(field_size(algorithm) + _EXTRA))
    return internal(algorithm, (seed % (order - 1) + 1).to_bytes(field_size(algorithm)))


def internal(algorithm: Algorithm, private: bytes) -> bytes:
    """Return the internal form of a private value; RefusedError when it is none."""
    size = field_size(algorithm)
    if len(private) != size:
        raise RefusedError(Refusal.WRONG_LENGTH)
    curve, order = CURVES[algorithm]
    value = int.from_bytes(private)
    if not 0 < value < order:
        raise RefusedError(Refusal.INVALID_DATA)
    return of_key(algorithm, ec.derive_private_key(value, curve))


def of_key(algorithm: Algorithm, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the internal form of a key."""
    size = field_size(algorithm)
    numbers = key.private_numbers()
    public = numbers.public_numbers
    return b"".join(part.to_bytes(size) for part in (numbers.private_value, public.x, public.y))


def private_key(algorithm: Algorithm, form: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the key of an internal form; RefusedError(INVALID_DATA) for a broken one."""
    size = field_size(algorithm)
    curve, order = CURVES[algorithm]
    value = int.from_bytes(form[:size])
    if len(form) != 3 * size or not 0 < value < order:
        raise RefusedError(Refusal.INVALID_DATA)
    key = ec.derive_private_key(value, curve)
    if of_key(algorithm, key) != form:
        raise RefusedError(Refusal.INVALID_DATA)
    return key


def public(algorithm: Algorithm, form: bytes) -> bytes:
    """Return x and y."""
    return form[field_size(algorithm) :]
