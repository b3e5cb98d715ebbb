"""What is known of one key, as far as advisories ask for it. None always means: not known."""

import enum
from typing import NamedTuple

from server.fleet.firmware import Version


class Application(enum.StrEnum):
    """An application of a YubiKey that may be switched on."""

    OTP = "otp"
    FIDO_U2F = "fido-u2f"
    FIDO2 = "fido2"
    PIV = "piv"
    OATH = "oath"
    OPENPGP = "openpgp"
    HSMAUTH = "hsmauth"


class Algorithm(enum.StrEnum):
    """What kind of key a slot holds."""

    RSA = "rsa"
    EC = "ec"
    """ECDSA or ECDH over a curve in Weierstrass form."""
    EDWARDS = "edwards"
    """Ed25519 or X25519."""
    OTHER = "other"


class HeldKey(NamedTuple):
    """A private key in a slot. generated: on the key itself, not brought in."""

    slot: str
    algorithm: Algorithm
    generated: bool | None


class KeyFacts(NamedTuple):
    """What one key said of itself, or what was said of it.

    form_factor: the number of Management's READ CONFIG without its flags; fips, security_key: those
    flags (capable); cspn: the organisation says that it bought the key as one of that line; nfc:
    whether it has an antenna; enabled: applications on at any transport; piv_keys, openpgp_keys:
    all that the slots hold, or None; openpgp_applet: that applet's version, which is not the
    firmware's on a NEO; resident_credentials: how many discoverable FIDO credentials it holds.
    """

    firmware: Version | None = None
    form_factor: int | None = None
    fips: bool | None = None
    security_key: bool | None = None
    cspn: bool = False
    nfc: bool | None = None
    enabled: frozenset[Application] | None = None
    piv_keys: tuple[HeldKey, ...] | None = None
    openpgp_keys: tuple[HeldKey, ...] | None = None
    openpgp_applet: Version | None = None
    openpgp_reset_tries: int | None = None
    oath_password: bool | None = None
    resident_credentials: int | None = None
