"""Ed25519 keys: scalar (big-endian) and prefix of the hashed seed, public key, and the seed.

yubihsm-shell shows the first 96 octets, which is all that an export holds; that a device asked
for the seed appends its 32 octets is read from the option's name only.
"""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hsm.emulator.forms.edwards import ORDER, multiply_base
from hsm.emulator.wire.refusal import Refusal, RefusedError

SEED_SIZE = 32
_EXPANDED = 96
_FULL = _EXPANDED + SEED_SIZE


def internal(seed: bytes) -> bytes:
    """Return the internal form of a seed, the seed included."""
    if len(seed) != SEED_SIZE:
        raise RefusedError(Refusal.WRONG_LENGTH)
    hashed = bytearray(hashlib.sha512(seed).digest())
    hashed[0] &= 248
    hashed[31] = hashed[31] & 127 | 64
    public_key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return bytes(reversed(hashed[:32])) + bytes(hashed[32:]) + public_key + seed


def without_seed(form: bytes) -> bytes:
    """Return the form that an export holds unless the seed is asked for."""
    return form[:_EXPANDED]


def seed(form: bytes) -> bytes:
    """Return the seed; RefusedError(INVALID_DATA) when the key came without it."""
    if len(form) != _FULL:
        raise RefusedError(Refusal.INVALID_DATA)
    return form[_EXPANDED:]


def checked(form: bytes) -> bytes:
    """Return a form that came from outside; RefusedError(INVALID_DATA) when it contradicts itself.

    A public key that is not the scalar's would make signatures give the scalar away.
    """
    if len(form) == _FULL and internal(form[_EXPANDED:]) == form:
        return form
    if len(form) != _EXPANDED or multiply_base(int.from_bytes(form[:32])) != public(form):
        raise RefusedError(Refusal.INVALID_DATA)
    return form


def public(form: bytes) -> bytes:
    """Return the public key, 32 octets."""
    return form[64:_EXPANDED]


def sign(form: bytes, message: bytes) -> bytes:
    """Return the signature, 64 octets."""
    if len(form) == _FULL:
        return Ed25519PrivateKey.from_private_bytes(form[_EXPANDED:]).sign(message)
    scalar, prefix = int.from_bytes(form[:32]), form[32:64]
    nonce = _number(prefix + message)
    commitment = multiply_base(nonce)
    challenge = _number(commitment + public(form) + message)
    return commitment + ((nonce + challenge * scalar) % ORDER).to_bytes(32, "little")


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % ORDER
