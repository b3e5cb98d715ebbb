"""The lines of products that advisories tell apart, and which of them a key can be.

A key does not name its line. Firmware, form factor and the flags of READ CONFIG narrow it down, and
where they leave two, both are kept: a verdict that differs between them is "unknown".
Source: Yubico, "YubiKey technical manual" (form factors, flags), and what the lines' firmware is.
"""

import enum

from server.fleet.firmware import Version, VersionRange
from server.fleet.key_facts import KeyFacts


class ProductLine(enum.StrEnum):
    """A line with firmware, and so advisories, of its own."""

    STANDARD = "YubiKey Standard"
    NEO = "YubiKey NEO"
    YUBIKEY_4 = "YubiKey 4"
    FIPS_4 = "YubiKey FIPS (4 Series)"
    YUBIKEY_5 = "YubiKey 5"
    FIPS_5 = "YubiKey 5 FIPS"
    CSPN_5 = "YubiKey 5 CSPN"
    BIO = "YubiKey Bio"
    SECURITY_KEY = "Security Key"
    HSM_2 = "YubiHSM 2"
    HSM_2_FIPS = "YubiHSM 2 FIPS"


YUBIKEYS = frozenset(ProductLine) - {ProductLine.HSM_2, ProductLine.HSM_2_FIPS}
"""What an agent can find attached: an HSM is asked by the service that uses it."""

_FIPS_4 = VersionRange(Version(4, 4, 0), Version(4, 5, 0))
"""The only firmware of that line, and of no other: it has no flag for it yet."""

_NEO_MAJOR = 3
_MAJOR_4 = 4


def lines_of(key: KeyFacts) -> frozenset[ProductLine]:
    """Return the lines that this key can belong to; never empty."""
    firmware = key.firmware
    if firmware is None or firmware.major == 0:
        return YUBIKEYS  # no key was sold with a firmware 0: it is a prototype's, or made up
    if firmware.major < _NEO_MAJOR:
        return frozenset({ProductLine.STANDARD})
    if firmware.major == _NEO_MAJOR:
        return frozenset({ProductLine.NEO})
    if firmware.major == _MAJOR_4:
        plain = ProductLine.FIPS_4 if _FIPS_4.includes(firmware) else ProductLine.YUBIKEY_4
        return _perhaps(ProductLine.SECURITY_KEY, frozenset({plain}), flag=key.security_key)
    return _of_series_5(key)


def _of_series_5(key: KeyFacts) -> frozenset[ProductLine]:
    if key.bio:
        return frozenset({ProductLine.BIO})
    # Nothing that a key says shows that it is a CSPN one: whoever bought it has to say so.
    plain = frozenset({ProductLine.CSPN_5 if key.cspn else ProductLine.YUBIKEY_5})
    lines = _perhaps(ProductLine.FIPS_5, plain, flag=key.fips)
    lines = _perhaps(ProductLine.SECURITY_KEY, lines, flag=key.security_key)
    return lines if key.bio is not None else lines | {ProductLine.BIO}


def _perhaps(
    line: ProductLine, otherwise: frozenset[ProductLine], *, flag: bool | None
) -> frozenset[ProductLine]:
    """Return the line when the flag is set, the others when it is not, all when nobody knows."""
    if flag is None:
        return otherwise | {line}
    return frozenset({line}) if flag else otherwise
