"""OAEP (RFC 8017, section 7.1) over a label's hash: the device is never told the label itself."""

from collections.abc import Callable
from hmac import compare_digest

from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm

from hsm.emulator.wire.refusal import Refusal, RefusedError


def encode(
    message: bytes,
    size: int,
    label_hash: bytes,
    mgf: HashAlgorithm,
    random: Callable[[int], bytes],
) -> bytes:
    """Return a block of `size` octets; RefusedError(WRONG_LENGTH) for too long a message."""
    hashed = len(label_hash)
    padding = size - len(message) - 2 * hashed - 2
    if padding < 0:
        raise RefusedError(Refusal.WRONG_LENGTH)
    data = label_hash + bytes(padding) + b"\x01" + message
    seed = random(hashed)
    masked = _xor(data, _mask(seed, len(data), mgf))
    return b"\0" + _xor(seed, _mask(masked, hashed, mgf)) + masked


def decode(block: bytes, label_hash: bytes, mgf: HashAlgorithm) -> bytes:
    """Return the message; RefusedError(INVALID_DATA), one answer for whatever is wrong."""
    hashed = len(label_hash)
    if len(block) < 2 * hashed + 2:
        raise RefusedError(Refusal.INVALID_DATA)
    masked_seed, masked = block[1 : 1 + hashed], block[1 + hashed :]
    seed = _xor(masked_seed, _mask(masked, hashed, mgf))
    data = _xor(masked, _mask(seed, len(masked), mgf))
    padding, mark, message = data[hashed:].partition(b"\x01")
    # All that can be wrong is judged before any of it is told.
    right_label = compare_digest(data[:hashed], label_hash)
    if not (right_label & (block[0] == 0) & (mark != b"") & (not padding.strip(b"\0"))):
        raise RefusedError(Refusal.INVALID_DATA)
    return message


def _mask(seed: bytes, size: int, mgf: HashAlgorithm) -> bytes:
    mask = b""
    for counter in range(-(-size // mgf.digest_size)):
        digest = Hash(mgf)
        digest.update(seed + counter.to_bytes(4))
        mask += digest.finalize()
    return mask[:size]


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))
