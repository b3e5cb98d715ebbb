"""RSA keys: p, q, d mod p-1, d mod q-1, 1/q mod p - half a modulus each - and the modulus."""

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa

from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.refusal import Refusal, RefusedError

EXPONENT = 65537
BITS = {Algorithm.RSA_2048: 2048, Algorithm.RSA_3072: 3072, Algorithm.RSA_4096: 4096}
_HALVES = 5


def modulus_size(algorithm: Algorithm) -> int:
    """Return the modulus' octets."""
    return BITS[algorithm] // 8


def generate(algorithm: Algorithm) -> bytes:
    """Make a key and return its internal form. The primes are OpenSSL's own: it takes no source."""
    return of_key(rsa.generate_private_key(EXPONENT, BITS[algorithm]))


def internal(algorithm: Algorithm, primes: bytes) -> bytes:
    """Return the internal form of p and q; RefusedError when they are no key of that size."""
    size = modulus_size(algorithm)
    if len(primes) != size:
        raise RefusedError(Refusal.WRONG_LENGTH)
    p, q = int.from_bytes(primes[: size // 2]), int.from_bytes(primes[size // 2 :])
    try:
        d = pow(EXPONENT, -1, (p - 1) * (q - 1))
        numbers = _numbers(p, q, d)
        key = numbers.private_key()
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None
    if key.key_size != BITS[algorithm]:
        raise RefusedError(Refusal.INVALID_DATA)
    return of_key(key)


def of_key(key: rsa.RSAPrivateKey) -> bytes:
    """Return the internal form of a key."""
    half = key.key_size // 16
    numbers = key.private_numbers()
    parts = (numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    modulus = numbers.public_numbers.n.to_bytes(2 * half)
    return b"".join(part.to_bytes(half) for part in parts) + modulus


class RsaKey(NamedTuple):
    """A key opened: OpenSSL's, and the numbers for what OpenSSL does not offer."""

    key: rsa.RSAPrivateKey
    p: int
    q: int
    dp: int
    dq: int
    inverse: int
    modulus: int

    def __repr__(self) -> str:
        return "RsaKey(...)"

    def apply(self, block: bytes, blinding: int) -> bytes:
        """Return the private operation on one block, as long as the modulus.

        Python's arithmetic tells of its operands by its duration; `blinding`, a fresh random
        number, keeps the block out of that. RefusedError(INVALID_DATA) for too large a block.
        """
        size = (self.modulus.bit_length() + 7) // 8
        number = int.from_bytes(block)
        if len(block) != size:
            raise RefusedError(Refusal.WRONG_LENGTH)
        if number >= self.modulus:
            raise RefusedError(Refusal.INVALID_DATA)
        factor = blinding % (self.modulus - 2) + 2
        blinded = number * pow(factor, EXPONENT, self.modulus) % self.modulus
        first, second = pow(blinded, self.dp, self.p), pow(blinded, self.dq, self.q)
        opened = second + self.q * ((first - second) * self.inverse % self.p)
        return (opened * pow(factor, -1, self.modulus) % self.modulus).to_bytes(size)


def opened(form: bytes) -> RsaKey:
    """Return the key of an internal form; RefusedError(INVALID_DATA) for a broken one."""
    half, left = divmod(len(form), _HALVES + 2)
    if left or 2 * half * 8 not in BITS.values():
        raise RefusedError(Refusal.INVALID_DATA)
    p, q, dp, dq, inverse = (
        int.from_bytes(form[at : at + half]) for at in range(0, _HALVES * half, half)
    )
    modulus = int.from_bytes(form[_HALVES * half :])
    try:
        key = _numbers(p, q, pow(EXPONENT, -1, (p - 1) * (q - 1))).private_key()
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None
    if of_key(key) != form:
        raise RefusedError(Refusal.INVALID_DATA)
    return RsaKey(key, p, q, dp, dq, inverse, modulus)


def public(form: bytes) -> bytes:
    """Return the modulus."""
    half = len(form) // (_HALVES + 2)
    return form[_HALVES * half :]


def _numbers(p: int, q: int, d: int) -> rsa.RSAPrivateNumbers:
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    )
