"""What a key says it is: firmware, serial, form factor and applications, per product line.

The lines are those whose answers differ: firmware 4.3 tells little, 5.2 to 5.4 one page, 5.7 two.
YubiHSM Auth is told of, as on real keys, and is not there: clients get the answer of a missing one.
Numbers are those of Yubico's published configuration reference.
"""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum, IntFlag
from typing import NamedTuple, Self


class Firmware(NamedTuple):
    """A version that compares: Firmware(5, 7, 4) >= (5, 7)."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "5.7.4"."""
        major, minor, patch = text.split(".")
        return cls(int(major), int(minor), int(patch))


class Capability(IntFlag):
    """Applications, as Management counts them."""

    OTP = 0x01
    U2F = 0x02
    CCID = 0x04  # up to firmware 4: the smart card interface
    OPENPGP = 0x08
    PIV = 0x10
    OATH = 0x20
    HSMAUTH = 0x100
    FIDO2 = 0x200


class FormFactor(IntEnum):
    """The shape; what has none in firmware 4 is UNKNOWN."""

    UNKNOWN = 0
    USB_A_KEYCHAIN = 1
    USB_A_NANO = 2
    USB_C_KEYCHAIN = 3
    USB_C_NANO = 4
    USB_C_LIGHTNING = 5
    USB_A_BIO = 6
    USB_C_BIO = 7


class Transport(Enum):
    """How a key is reached; its applications are switched on and off for each."""

    USB = "usb"
    NFC = "nfc"


_NOTHING = Capability(0)
_FOUR = (
    Capability.OTP
    | Capability.U2F
    | Capability.CCID
    | Capability.OPENPGP
    | Capability.PIV
    | Capability.OATH
)
_FIVE = (_FOUR & ~Capability.CCID) | Capability.FIDO2
_FIDO = Capability.U2F | Capability.FIDO2
_FIVE_SEVEN = _FIVE | Capability.HSMAUTH


@dataclass(frozen=True)
class Identity:
    """What Management tells.

    serial: None for keys that tell none (Security Keys). lock_code: 16 bytes that are asked for
    before the configuration changes, or None. fips_capable, fips_approved: in FIPS' own count of
    applications (FIDO2 1, PIV 2, OpenPGP 4, OATH 8, HSM Auth 16). From firmware 5.7:
    part_number and everything below it.
    """

    firmware: Firmware
    serial: int | None
    form_factor: FormFactor = FormFactor.UNKNOWN
    usb_supported: Capability = _FOUR
    usb_enabled: Capability = _FOUR
    nfc_supported: Capability | None = None
    nfc_enabled: Capability | None = None
    fips: bool = False
    security_key: bool = False
    lock_code: bytes | None = None
    auto_eject_s: int = 0
    response_timeout_s: int = 15
    device_flags: int = 0
    part_number: str = ""
    fips_capable: int = 0
    fips_approved: int = 0
    pin_complexity: bool = False
    nfc_restricted: bool = False
    reset_blocked: Capability = _NOTHING
    fps_version: Firmware | None = None
    stm_version: Firmware | None = None

    def enabled(self, transport: Transport) -> Capability:
        """Return the applications that answer on a transport."""
        if transport is Transport.USB:
            return self.usb_enabled
        return self.nfc_enabled or _NOTHING


def yubikey_4(serial: int, firmware: str = "4.3.7") -> Identity:
    """Return a YubiKey 4: no form factor, and nothing about what is switched off."""
    return Identity(Firmware.parse(firmware), serial)


def yubikey_5_nfc(serial: int, firmware: str = "5.4.3") -> Identity:
    """Return a YubiKey 5 NFC of firmware 5.2 to 5.6; HSM Auth came with 5.4."""
    version = Firmware.parse(firmware)
    all_of_it = _FIVE_SEVEN if version >= (5, 4, 3) else _FIVE
    return Identity(
        version,
        serial,
        FormFactor.USB_A_KEYCHAIN,
        usb_supported=all_of_it,
        usb_enabled=all_of_it,
        nfc_supported=all_of_it,
        nfc_enabled=all_of_it,
    )


def yubikey_5c_nfc(serial: int, firmware: str = "5.7.4") -> Identity:
    """Return a YubiKey 5C NFC of firmware 5.7, which tells a second page about itself."""
    return Identity(
        Firmware.parse(firmware),
        serial,
        FormFactor.USB_C_KEYCHAIN,
        usb_supported=_FIVE_SEVEN,
        usb_enabled=_FIVE_SEVEN,
        nfc_supported=_FIVE_SEVEN,
        nfc_enabled=_FIVE_SEVEN,
        part_number="5060408461",
    )


def yubikey_neo(serial: int, firmware: str = "3.4.9") -> Identity:
    """Return a NEO, whose Management tells nothing: clients try its applications."""
    all_of_it = _FOUR & ~Capability.CCID
    return Identity(
        Firmware.parse(firmware),
        serial,
        usb_supported=all_of_it,
        usb_enabled=all_of_it,
        nfc_supported=all_of_it,
        nfc_enabled=all_of_it,
    )


def yubikey_4_fips(serial: int, firmware: str = "4.4.5") -> Identity:
    """Return a YubiKey FIPS of the 4 series: only its firmware says so."""
    return yubikey_4(serial, firmware)


def yubikey_5_fips(serial: int, firmware: str = "5.4.3") -> Identity:
    """Return a YubiKey 5 NFC FIPS."""
    return replace(yubikey_5_nfc(serial, firmware), fips=True)


def yubikey_bio(firmware: str = "5.7.4") -> Identity:
    """Return a Bio of the FIDO edition: no serial is told, and no NFC is there."""
    return Identity(
        Firmware.parse(firmware),
        None,
        FormFactor.USB_A_BIO,
        usb_supported=_FIDO,
        usb_enabled=_FIDO,
        fps_version=Firmware(3, 1, 4),
        stm_version=Firmware(2, 0, 1),
    )


def security_key_nfc(firmware: str = "5.4.3") -> Identity:
    """Return a Security Key NFC: FIDO alone, no serial."""
    return Identity(
        Firmware.parse(firmware),
        None,
        FormFactor.USB_A_KEYCHAIN,
        usb_supported=_FIDO,
        usb_enabled=_FIDO,
        nfc_supported=_FIDO,
        nfc_enabled=_FIDO,
        security_key=True,
    )
