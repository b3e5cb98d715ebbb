"""What PIV keeps without power: PINs, the management key, keys in slots, data objects."""

from dataclasses import dataclass, field

from tests.virtual_yubikey.identity import Firmware
from tests.virtual_yubikey.pins import Pin
from tests.virtual_yubikey.piv_keys import SlotKey
from tests.virtual_yubikey.piv_management_key import ManagementKey, ManagementKeyType
from tests.virtual_yubikey.tlv import tlv

ATTESTATION = 0xF9
SLOTS = (0x9A, 0x9C, 0x9D, 0x9E, *range(0x82, 0x96))
ATTESTATION_OBJECT = 0x5FFF01

_DEFAULT_PIN, _DEFAULT_PUK = b"123456\xff\xff", b"12345678"
_TRIES = 3
_CHIEF = {0x9A: 0x5FC105, 0x9C: 0x5FC10A, 0x9D: 0x5FC10B, 0x9E: 0x5FC101}
_RETIRED = 0x5FC10D


@dataclass
class PivState:
    """All of it. objects: by number, without their tag 53."""

    pin: Pin = field(default_factory=lambda: Pin(_DEFAULT_PIN, _TRIES))
    puk: Pin = field(default_factory=lambda: Pin(_DEFAULT_PUK, _TRIES))
    management: ManagementKey = field(default_factory=ManagementKey)
    keys: dict[int, SlotKey] = field(default_factory=dict)
    objects: dict[int, bytes] = field(default_factory=dict)

    def restore(self, firmware: Firmware) -> None:
        """Make it what it is when a key of a firmware is new."""
        aes = firmware >= (5, 7)
        self.pin.reset(_TRIES)
        self.puk.reset(_TRIES)
        kind = ManagementKeyType.AES192 if aes else ManagementKeyType.TDES
        self.management = ManagementKey(kind)
        self.keys.clear()
        self.objects.clear()

    def put_certificate(self, slot: int, encoded: bytes) -> None:
        """Put a certificate (DER) where clients look for a slot's."""
        content = tlv(0x70, encoded) + tlv(0x71, b"\0") + tlv(0xFE)
        self.objects[certificate_object(slot)] = content


def certificate_object(slot: int) -> int:
    """Return the number of the object that a slot's certificate is in."""
    if slot == ATTESTATION:
        return ATTESTATION_OBJECT
    return _CHIEF.get(slot) or _RETIRED + slot - 0x82
