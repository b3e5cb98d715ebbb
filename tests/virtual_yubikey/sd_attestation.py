"""What certificates of a Security Domain's keys say about the YubiKey, as retail ones do.

Object identifiers and forms are those in the certificates of a retail key of firmware 5.7.4.
"""

from collections.abc import Iterator

from cryptography import x509

from tests.virtual_yubikey.identity import Identity
from tests.virtual_yubikey.tlv import number, tlv

_YUBICO = "1.3.6.1.4.1.41482.7"
FIRMWARE = x509.ObjectIdentifier(f"{_YUBICO}.1")
SERIAL = x509.ObjectIdentifier(f"{_YUBICO}.2")
ORIGIN = x509.ObjectIdentifier(f"{_YUBICO}.3")
FORM_FACTOR = x509.ObjectIdentifier(f"{_YUBICO}.4")
_INTEGER, _OCTETS = 0x02, 0x04


def told_about(identity: Identity) -> Iterator[x509.UnrecognizedExtension]:
    """Return what they say."""
    yield x509.UnrecognizedExtension(FIRMWARE, tlv(_OCTETS, bytes(identity.firmware)))
    if identity.serial is not None:
        # DER's INTEGER is signed: a serial with the highest bit set needs a byte more.
        size = identity.serial.bit_length() // 8 + 1
        encoded = tlv(_INTEGER, number(identity.serial, size))
        yield x509.UnrecognizedExtension(SERIAL, encoded)
    yield x509.UnrecognizedExtension(ORIGIN, tlv(_INTEGER, b"\x01"))
    yield x509.UnrecognizedExtension(FORM_FACTOR, tlv(_OCTETS, number(identity.form_factor, 1)))
