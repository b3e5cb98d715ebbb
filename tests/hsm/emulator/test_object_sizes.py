"""Sizes as hardware of firmware 2.5.0 reports them, measured and published by others."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.objects import (
    AsymmetricKey,
    AuthenticationKey,
    HmacKey,
    OtpAeadKey,
    PublicWrapKey,
    SymmetricKey,
    WrapKey,
    YhsmObject,
)

_NONE = CAPABILITY.NONE
Make = Callable[[AuthSession, ALGORITHM], YhsmObject]


def _asymmetric(session: AuthSession, algorithm: ALGORITHM) -> YhsmObject:
    return AsymmetricKey.generate(session, 0, "key", 1, _NONE, algorithm)


def _hmac(session: AuthSession, algorithm: ALGORITHM) -> YhsmObject:
    return HmacKey.generate(session, 0, "key", 1, _NONE, algorithm)


def _otp(session: AuthSession, algorithm: ALGORITHM) -> YhsmObject:
    return OtpAeadKey.generate(session, 0, "key", 1, _NONE, algorithm, 1)


def _symmetric(session: AuthSession, algorithm: ALGORITHM) -> YhsmObject:
    return SymmetricKey.generate(session, 0, "key", 1, _NONE, algorithm)


def _wrap(session: AuthSession, algorithm: ALGORITHM) -> YhsmObject:
    return WrapKey.generate(session, 0, "key", 1, _NONE, algorithm, _NONE)


@pytest.mark.parametrize(
    ("make", "algorithm", "size"),
    [
        (_asymmetric, ALGORITHM.RSA_2048, 896),
        (_asymmetric, ALGORITHM.EC_P224, 84),
        (_asymmetric, ALGORITHM.EC_P256, 96),
        (_asymmetric, ALGORITHM.EC_P384, 144),
        (_asymmetric, ALGORITHM.EC_P521, 198),
        (_asymmetric, ALGORITHM.EC_K256, 96),
        (_asymmetric, ALGORITHM.EC_BP256, 96),
        (_asymmetric, ALGORITHM.EC_BP384, 144),
        (_asymmetric, ALGORITHM.EC_BP512, 192),
        (_asymmetric, ALGORITHM.EC_ED25519, 128),
        (_hmac, ALGORITHM.HMAC_SHA1, 128),
        (_hmac, ALGORITHM.HMAC_SHA256, 128),
        (_hmac, ALGORITHM.HMAC_SHA384, 256),
        (_hmac, ALGORITHM.HMAC_SHA512, 256),
        (_otp, ALGORITHM.AES128_YUBICO_OTP, 20),
        (_otp, ALGORITHM.AES192_YUBICO_OTP, 28),
        (_otp, ALGORITHM.AES256_YUBICO_OTP, 36),
        (_symmetric, ALGORITHM.AES128, 16),
        (_symmetric, ALGORITHM.AES192, 24),
        (_symmetric, ALGORITHM.AES256, 32),
        (_wrap, ALGORITHM.AES128_CCM_WRAP, 24),
        (_wrap, ALGORITHM.AES192_CCM_WRAP, 32),
        (_wrap, ALGORITHM.AES256_CCM_WRAP, 40),
        (_wrap, ALGORITHM.RSA_2048, 904),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_object_is_as_large_as_on_hardware(
    admin: AuthSession, make: Make, algorithm: ALGORITHM, size: int
) -> None:
    assert make(admin, algorithm).get_info().size == size


def test_keys_of_others_are_as_large_as_on_hardware(admin: AuthSession) -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    host = AuthenticationKey.put_public_key(admin, 0, "key", 1, _NONE, _NONE, curve)
    assert host.get_info().size == 72
    modulus = rsa.generate_private_key(65537, 2048).public_key()
    assert PublicWrapKey.put(admin, 0, "key", 1, _NONE, _NONE, modulus).get_info().size == 264
