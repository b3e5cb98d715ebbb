"""The numbers of the algorithms, and what firmware knows which."""

import enum

from hsm.emulator.wire.firmware import (
    ASYMMETRIC_AUTHENTICATION,
    FIRST,
    RSA_WRAP,
    SYMMETRIC_KEYS,
    Firmware,
)


class Algorithm(enum.IntEnum):
    """What an object is for, or how a command works."""

    RSA_PKCS1_SHA1 = 1
    RSA_PKCS1_SHA256 = 2
    RSA_PKCS1_SHA384 = 3
    RSA_PKCS1_SHA512 = 4
    RSA_PSS_SHA1 = 5
    RSA_PSS_SHA256 = 6
    RSA_PSS_SHA384 = 7
    RSA_PSS_SHA512 = 8
    RSA_2048 = 9
    RSA_3072 = 10
    RSA_4096 = 11
    EC_P256 = 12
    EC_P384 = 13
    EC_P521 = 14
    EC_K256 = 15
    EC_BP256 = 16
    EC_BP384 = 17
    EC_BP512 = 18
    HMAC_SHA1 = 19
    HMAC_SHA256 = 20
    HMAC_SHA384 = 21
    HMAC_SHA512 = 22
    EC_ECDSA_SHA1 = 23
    EC_ECDH = 24
    RSA_OAEP_SHA1 = 25
    RSA_OAEP_SHA256 = 26
    RSA_OAEP_SHA384 = 27
    RSA_OAEP_SHA512 = 28
    AES128_CCM_WRAP = 29
    OPAQUE_DATA = 30
    OPAQUE_X509_CERTIFICATE = 31
    RSA_MGF1_SHA1 = 32
    RSA_MGF1_SHA256 = 33
    RSA_MGF1_SHA384 = 34
    RSA_MGF1_SHA512 = 35
    TEMPLATE_SSH = 36
    AES128_YUBICO_OTP = 37
    AES128_YUBICO_AUTHENTICATION = 38
    AES192_YUBICO_OTP = 39
    AES256_YUBICO_OTP = 40
    AES192_CCM_WRAP = 41
    AES256_CCM_WRAP = 42
    EC_ECDSA_SHA256 = 43
    EC_ECDSA_SHA384 = 44
    EC_ECDSA_SHA512 = 45
    EC_ED25519 = 46
    EC_P224 = 47
    RSA_PKCS1_DECRYPT = 48
    EC_P256_YUBICO_AUTHENTICATION = 49
    AES128 = 50
    AES192 = 51
    AES256 = 52
    AES_ECB = 53
    AES_CBC = 54
    AES_KWP = 55


_A = Algorithm
RSA = frozenset({_A.RSA_2048, _A.RSA_3072, _A.RSA_4096})
EC = frozenset(
    {
        _A.EC_P224,
        _A.EC_P256,
        _A.EC_P384,
        _A.EC_P521,
        _A.EC_K256,
        _A.EC_BP256,
        _A.EC_BP384,
        _A.EC_BP512,
    }
)
ASYMMETRIC = RSA | EC | {_A.EC_ED25519}
HMAC = frozenset({_A.HMAC_SHA1, _A.HMAC_SHA256, _A.HMAC_SHA384, _A.HMAC_SHA512})
OPAQUE = frozenset({_A.OPAQUE_DATA, _A.OPAQUE_X509_CERTIFICATE})
AUTHENTICATION = {_A.AES128_YUBICO_AUTHENTICATION: 32, _A.EC_P256_YUBICO_AUTHENTICATION: 64}
"""Authentication keys, and the size of what is stored of them in octets."""
OTP = {_A.AES128_YUBICO_OTP: 16, _A.AES192_YUBICO_OTP: 24, _A.AES256_YUBICO_OTP: 32}
CCM_WRAP = {_A.AES128_CCM_WRAP: 16, _A.AES192_CCM_WRAP: 24, _A.AES256_CCM_WRAP: 32}
AES = {_A.AES128: 16, _A.AES192: 24, _A.AES256: 32}
"""AES keys and their sizes in octets; so are OTP and CCM_WRAP."""

_SINCE = {
    _A.EC_P256_YUBICO_AUTHENTICATION: ASYMMETRIC_AUTHENTICATION,
    **dict.fromkeys((_A.AES128, _A.AES192, _A.AES256, _A.AES_ECB, _A.AES_CBC), SYMMETRIC_KEYS),
    _A.AES_KWP: RSA_WRAP,
}


def known_to(firmware: Firmware) -> list[Algorithm]:
    """List what a firmware version knows, in the order of the numbers."""
    return [one for one in Algorithm if firmware >= _SINCE.get(one, FIRST)]
