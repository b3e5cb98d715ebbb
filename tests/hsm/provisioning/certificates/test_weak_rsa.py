"""Moduli of chips with the ROCA fault are told from others."""

import math
import secrets

from cryptography.hazmat.primitives.asymmetric import rsa

from hsm.provisioning.certificates.weak_rsa import is_of_a_weak_chip

# The product of the first 39 primes, as the chips used it for 512-bit primes.
_FIRST = [p for p in range(2, 168) if all(p % q for q in range(2, math.isqrt(p) + 1))]
M = math.prod(_FIRST)


def faulty_factor() -> int:
    """Return a number of the form that the chips' primes have; that it is prime adds nothing."""
    power = pow(65537, secrets.randbelow(1 << 60), M)
    return secrets.randbits(300) * M + power


def test_moduli_of_the_chips_form_are_found() -> None:
    for _ in range(50):
        assert is_of_a_weak_chip(faulty_factor() * faulty_factor())


def test_other_moduli_are_not() -> None:
    for _ in range(5):
        key = rsa.generate_private_key(65537, 2048).public_key()
        assert not is_of_a_weak_chip(key.public_numbers().n)
    assert not any(is_of_a_weak_chip(secrets.randbits(2048) | 1) for _ in range(5_000))
