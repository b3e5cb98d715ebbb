"""HMAC keys: the key's block masked for the inner hash, and masked for the outer one."""

from cryptography.hazmat.primitives.hmac import HMAC

from hsm.emulator.forms import digests
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.refusal import Refusal, RefusedError

_INNER = bytes(octet ^ 0x36 for octet in range(256))
_OUTER = bytes(octet ^ 0x5C for octet in range(256))
BLOCK = {
    Algorithm.HMAC_SHA1: 64,
    Algorithm.HMAC_SHA256: 64,
    Algorithm.HMAC_SHA384: 128,
    Algorithm.HMAC_SHA512: 128,
}
"""Octets of a block, which is also the longest key."""


def internal(algorithm: Algorithm, key: bytes) -> bytes:
    """Return the internal form of a key; RefusedError(WRONG_LENGTH) for none or too long a one."""
    block = BLOCK[algorithm]
    if not 0 < len(key) <= block:
        raise RefusedError(Refusal.WRONG_LENGTH)
    filled = key.ljust(block, b"\0")
    return filled.translate(_INNER) + filled.translate(_OUTER)


def checked(algorithm: Algorithm, form: bytes) -> bytes:
    """Return a form that came from outside; RefusedError(INVALID_DATA) when its halves differ."""
    block = BLOCK[algorithm]
    key = form[:block].translate(_INNER)
    if len(form) != 2 * block or key.translate(_OUTER) != form[block:]:
        raise RefusedError(Refusal.INVALID_DATA)
    return form


def mac(algorithm: Algorithm, form: bytes, data: bytes) -> bytes:
    """Return the HMAC."""
    # A key filled up with zeros is the same key.
    made = HMAC(form[: BLOCK[algorithm]].translate(_INNER), digests.of(digests.HMAC, algorithm))
    made.update(data)
    return made.finalize()
