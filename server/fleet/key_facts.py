"""What is known of one key, as far as advisories ask for it. None always means: not known."""

import enum
from typing import NamedTuple

from server.fleet.firmware import Version


class Application(enum.StrEnum):
    """An application of a YubiKey, under the name that reports give it."""

    OTP = "otp"
    U2F = "u2f"
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
    UNKNOWN = "unknown"


class HeldKey(NamedTuple):
    """A private key in a slot. generated: on the key itself, not brought in."""

    slot: str
    algorithm: Algorithm
    generated: bool | None


class Slots(NamedTuple):
    """The private keys of an application that are known. complete: there are no others."""

    keys: tuple[HeldKey, ...] = ()
    complete: bool = False


class KeyFacts(NamedTuple):
    """What one key said of itself, or what was said of it.

    firmware: None also for a preview, whose number says nothing of what is in it; bio, fips,
    security_key: what form factor and flags of READ CONFIG tell; cspn: the organisation says that
    it bought the key as one of that line; nfc: it has an antenna; enabled: applications on at any
    transport; openpgp_applet: that applet's version, which is not the firmware's on a NEO;
    resident_credentials: how many discoverable FIDO credentials it holds.
    """

    firmware: Version | None = None
    bio: bool | None = None
    fips: bool | None = None
    security_key: bool | None = None
    cspn: bool = False
    nfc: bool | None = None
    enabled: frozenset[Application] | None = None
    piv: Slots = Slots()
    openpgp: Slots = Slots()
    openpgp_applet: Version | None = None
    openpgp_reset_tries: int | None = None
    oath_password: bool | None = None
    resident_credentials: int | None = None
