"""EC keys: private value, x and y, each as long as the curve's field."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.refusal import Refusal, RefusedError

_A = Algorithm
CURVES: dict[Algorithm, ec.EllipticCurve] = {
    _A.EC_P224: ec.SECP224R1(),
    _A.EC_P256: ec.SECP256R1(),
    _A.EC_P384: ec.SECP384R1(),
    _A.EC_P521: ec.SECP521R1(),
    _A.EC_K256: ec.SECP256K1(),
    _A.EC_BP256: ec.BrainpoolP256R1(),
    _A.EC_BP384: ec.BrainpoolP384R1(),
    _A.EC_BP512: ec.BrainpoolP512R1(),
}

_EXTRA = 8
"""Octets of randomness beyond the order's size, so that the remainder is not biased (FIPS 186)."""


def field_size(algorithm: Algorithm) -> int:
    """Return the octets of a coordinate."""
    return (CURVES[algorithm].key_size + 7) // 8


def generate(algorithm: Algorithm, random: Callable[[int], bytes]) -> bytes:
    """Make a key and return its internal form."""
    order = CURVES[algorithm].group_order
    seed = int.from_bytes(random(field_size(algorithm) + _EXTRA))
    return internal(algorithm, (seed % (order - 1) + 1).to_bytes(field_size(algorithm)))


def internal(algorithm: Algorithm, private: bytes) -> bytes:
    """Return the internal form of a private value; RefusedError when it is none."""
    size = field_size(algorithm)
    if len(private) != size:
        raise RefusedError(Refusal.WRONG_LENGTH)
    curve = CURVES[algorithm]
    value = int.from_bytes(private)
    if not 0 < value < curve.group_order:
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
    curve = CURVES[algorithm]
    value = int.from_bytes(form[:size])
    if len(form) != 3 * size or not 0 < value < curve.group_order:
        raise RefusedError(Refusal.INVALID_DATA)
    key = ec.derive_private_key(value, curve)
    if of_key(algorithm, key) != form:
        raise RefusedError(Refusal.INVALID_DATA)
    return key


def public(algorithm: Algorithm, form: bytes) -> bytes:
    """Return x and y."""
    return form[field_size(algorithm) :]
