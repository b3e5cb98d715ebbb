"""RSA keys of a chip with a fault (ROCA, CVE-2017-15361): found by their modulus alone.

Their primes are k * M + (65537**a mod M) with M a product of the first primes, so the modulus
modulo each of those small primes is a power of 65537. Of other moduli one in many thousands of
millions looks like that. After M. Nemec et al., The Return of Coppersmith's Attack, CCS 2017.
"""

_GENERATOR = 65537
_PRIMES = (
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
)  # fmt: skip
"""Small primes modulo which the powers of 65537 are not everything (the paper's fingerprint)."""


def _powers(prime: int) -> frozenset[int]:
    found, power = set(), 1
    while power not in found:
        found.add(power)
        power = power * _GENERATOR % prime
    return frozenset(found)


_POWERS = {prime: _powers(prime) for prime in _PRIMES}


def is_of_a_weak_chip(modulus: int) -> bool:
    """Tell whether a modulus has the fingerprint."""
    return all(modulus % prime in powers for prime, powers in _POWERS.items())
