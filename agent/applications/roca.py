"""Whether an RSA key was made by the library behind CVE-2017-15361 (YSA-2017-01).

Such a modulus is a power of 65537 modulo many small primes: Nemec, Sys, Svenda, Klinec, Matyas,
"The Return of Coppersmith's Attack" (2017), section 2.
"""

from functools import cache

_PRIMES = (
    *(11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157),
    *(163, 167),
)
_GENERATOR = 65537


@cache
def _powers(prime: int) -> frozenset[int]:
    found, value = set(), 1
    while value not in found:
        found.add(value)
        value = value * _GENERATOR % prime
    return frozenset(found)


def has_fingerprint(modulus: int) -> bool:
    """Return whether a modulus has the pattern; another has it once in hundreds of millions."""
    return all(modulus % prime in _powers(prime) for prime in _PRIMES)
