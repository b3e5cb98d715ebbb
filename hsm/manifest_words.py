"""The words of a manifest: names, as Yubico's own shell writes them, for the library's numbers."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from yubihsm.defs import ALGORITHM, AUDIT, CAPABILITY, COMMAND, OBJECT, Version

_T = TypeVar("_T")

DOMAINS = 16
ALL_DOMAINS = 0xFFFF

# Where the library's names differ from the shell's and the documentation's.
_CAPABILITY_NAMES = {
    CAPABILITY.PUT_ASYMMETRIC: "put-asymmetric-key",
    CAPABILITY.PUBLIC_WRAP_KEY_WRITE: "put-public-wrap-key",
    CAPABILITY.PUBLIC_WRAP_KEY_DELETE: "delete-public-wrap-key",
}
CAPABILITIES: Mapping[str, CAPABILITY] = {
    _CAPABILITY_NAMES.get(one, one.name.lower().replace("_", "-")): one
    for one in CAPABILITY
    if one.name
}
COMMANDS: Mapping[str, COMMAND] = {one.name.lower().replace("_", "-"): one for one in COMMAND}
TYPES: Mapping[str, OBJECT] = {one.name.lower().replace("_", "-"): one for one in OBJECT}
AUDITS: Mapping[str, AUDIT] = {one.name.lower(): one for one in AUDIT}

_A = ALGORITHM
_BY_TYPE: Mapping[OBJECT, Mapping[str, ALGORITHM]] = {
    OBJECT.AUTHENTICATION_KEY: {
        "aes128-yubico-authentication": _A.AES128_YUBICO_AUTHENTICATION,
        "ecp256-yubico-authentication": _A.EC_P256_YUBICO_AUTHENTICATION,
    },
    OBJECT.OPAQUE: {
        "opaque-data": _A.OPAQUE_DATA,
        "opaque-x509-certificate": _A.OPAQUE_X509_CERTIFICATE,
    },
    OBJECT.ASYMMETRIC_KEY: {
        "rsa2048": _A.RSA_2048,
        "rsa3072": _A.RSA_3072,
        "rsa4096": _A.RSA_4096,
        "ecp256": _A.EC_P256,
        "ecp384": _A.EC_P384,
        "ecp521": _A.EC_P521,
        "ed25519": _A.EC_ED25519,
    },
    OBJECT.WRAP_KEY: {
        "aes128-ccm-wrap": _A.AES128_CCM_WRAP,
        "aes192-ccm-wrap": _A.AES192_CCM_WRAP,
        "aes256-ccm-wrap": _A.AES256_CCM_WRAP,
    },
    OBJECT.OTP_AEAD_KEY: {
        "aes128-yubico-otp": _A.AES128_YUBICO_OTP,
        "aes192-yubico-otp": _A.AES192_YUBICO_OTP,
        "aes256-yubico-otp": _A.AES256_YUBICO_OTP,
    },
}
MADE = frozenset(_BY_TYPE) - {OBJECT.AUTHENTICATION_KEY}
"""The types of objects that a ceremony makes, beside authentication keys."""
ALGORITHMS: Mapping[str, ALGORITHM] = {
    name: algorithm for of_type in _BY_TYPE.values() for name, algorithm in of_type.items()
}
ELLIPTIC = frozenset({_A.EC_P256, _A.EC_P384, _A.EC_P521})
"""Keys that sign with ECDSA, as YSA-2024-03 concerns it."""

ADMINISTRATIVE = CAPABILITY(
    sum(
        one
        for name, one in CAPABILITIES.items()
        if name.split("-")[0] in {"put", "generate", "delete", "change", "reset", "set"}
        or name in {"export-wrapped", "import-wrapped"}
    )
)
"""What changes a device or lets keys out: nothing that a running service may do."""

_SINCE: tuple[tuple[Version, CAPABILITY], ...] = (
    ((2, 3, 1), CAPABILITY.PUT_SYMMETRIC_KEY),  # the lowest bit of those that came with AES
    ((2, 4, 0), CAPABILITY.PUBLIC_WRAP_KEY_WRITE),  # and of those that came with RSA wrap
)


def known_to(firmware: Version) -> CAPABILITY:
    """Return the capabilities that a firmware version knows. A role gets no others there."""
    known = int(CAPABILITY.ALL)
    for version, lowest in _SINCE:
        if firmware < version:
            known &= lowest - 1
    return CAPABILITY(known)


def allowed(object_type: OBJECT, algorithm: ALGORITHM) -> bool:
    """Whether objects of a type can be of an algorithm."""
    return algorithm in _BY_TYPE[object_type].values()


def look_up(words: Mapping[str, _T], word: object, what: str) -> _T:
    """Return what a word stands for; ValueError proposes the nearest one."""
    if not isinstance(word, str):
        raise ValueError(f"{word!r} is no {what}: write a word in double quotes")  # noqa: TRY004
    if word in words:
        return words[word]
    near = get_close_matches(word, words, n=1)
    advice = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(sorted(words))}"
    raise ValueError(f"{word!r} is no {what}; {advice}")


def name_of(words: Mapping[str, _T], value: _T) -> str:
    """Return the word for a value, or its number when there is none."""
    for word, meant in words.items():
        if meant == value:
            return word
    return repr(value)


def capability_names(capabilities: int) -> list[str]:
    """Return the words for a set of capabilities, in the order of their bits."""
    known = [name for name, one in CAPABILITIES.items() if capabilities & one]
    rest = capabilities & ~int(CAPABILITY.ALL)
    return [*known, hex(rest)] if rest else known


def domain_numbers(domains: int) -> list[int]:
    """Return the numbers of domains, 1 to 16, of the library's bits."""
    return [number for number in range(1, DOMAINS + 1) if domains & 1 << number - 1]
