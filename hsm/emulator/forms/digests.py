"""Hashes by the algorithm that names them, and by the length of what they give."""

from cryptography.hazmat.primitives import hashes

from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.refusal import Refusal, RefusedError

_A = Algorithm
_SHA1 = hashes.SHA1()  # noqa: S303 - old keys and clients still ask for it; options turn it off
_HASHES: tuple[hashes.HashAlgorithm, ...] = (
    _SHA1,
    hashes.SHA256(),
    hashes.SHA384(),
    hashes.SHA512(),
)
BY_SIZE = {one.digest_size: one for one in _HASHES}

PKCS1 = (_A.RSA_PKCS1_SHA1, _A.RSA_PKCS1_SHA256, _A.RSA_PKCS1_SHA384, _A.RSA_PKCS1_SHA512)
PSS = (_A.RSA_PSS_SHA1, _A.RSA_PSS_SHA256, _A.RSA_PSS_SHA384, _A.RSA_PSS_SHA512)
ECDSA = (_A.EC_ECDSA_SHA1, _A.EC_ECDSA_SHA256, _A.EC_ECDSA_SHA384, _A.EC_ECDSA_SHA512)
OAEP = (_A.RSA_OAEP_SHA1, _A.RSA_OAEP_SHA256, _A.RSA_OAEP_SHA384, _A.RSA_OAEP_SHA512)
MGF1 = (_A.RSA_MGF1_SHA1, _A.RSA_MGF1_SHA256, _A.RSA_MGF1_SHA384, _A.RSA_MGF1_SHA512)
HMAC = (_A.HMAC_SHA1, _A.HMAC_SHA256, _A.HMAC_SHA384, _A.HMAC_SHA512)
"""Each family in the order of SHA-1, SHA-256, SHA-384, SHA-512."""


def member(family: tuple[Algorithm, ...], digest: hashes.HashAlgorithm) -> Algorithm:
    """Return the family's algorithm with this hash."""
    return family[[one.name for one in _HASHES].index(digest.name)]


def of(family: tuple[Algorithm, ...], number: int) -> hashes.HashAlgorithm:
    """Return the hash that a family's number names; RefusedError(INVALID_DATA)."""
    for algorithm, digest in zip(family, _HASHES, strict=True):
        if algorithm == number:
            return digest
    raise RefusedError(Refusal.INVALID_DATA)


def of_size(size: int) -> hashes.HashAlgorithm:
    """Return the hash whose digests have this length; RefusedError(WRONG_LENGTH)."""
    digest = BY_SIZE.get(size)
    if digest is None:
        raise RefusedError(Refusal.WRONG_LENGTH)
    return digest
