"""Attestation: a certificate that says which key made what is in a slot, and how it is guarded.

The chain is root, key's own (slot F9), slot. Object identifiers are Yubico's published ones.
"""

from collections.abc import Iterator

from cryptography import x509

from tests.virtual_yubikey.identity import Identity
from tests.virtual_yubikey.manufacturer import Signer, issue, name
from tests.virtual_yubikey.piv_keys import SlotKey
from tests.virtual_yubikey.tlv import number, tlv

_YUBICO = "1.3.6.1.4.1.41482.3"
FIRMWARE = x509.ObjectIdentifier(f"{_YUBICO}.3")
SERIAL = x509.ObjectIdentifier(f"{_YUBICO}.7")
POLICIES = x509.ObjectIdentifier(f"{_YUBICO}.8")
FORM_FACTOR = x509.ObjectIdentifier(f"{_YUBICO}.9")
FIPS = x509.ObjectIdentifier(f"{_YUBICO}.10")
_INTEGER = 0x02
_FIPS_SHAPE = 0x80


def attested(slot: int, key: SlotKey, identity: Identity, by: Signer) -> x509.Certificate:
    """Return the certificate of a key that was generated in a slot."""
    return issue(
        name(f"YubiKey PIV Attestation {slot:02x}"),
        key.private.public_key(),
        by.certificate.subject,
        by.key,
        told=[
            *told_about(identity),
            x509.UnrecognizedExtension(POLICIES, bytes((key.pin, key.touch))),
        ],
    )


def told_about(identity: Identity) -> Iterator[x509.UnrecognizedExtension]:
    """Return what certificates of a key say about it."""
    yield x509.UnrecognizedExtension(FIRMWARE, bytes(identity.firmware))
    if identity.serial is not None:
        # DER's INTEGER is signed: a serial with the highest bit set needs a byte more.
        size = identity.serial.bit_length() // 8 + 1
        encoded = tlv(_INTEGER, number(identity.serial, size))
        yield x509.UnrecognizedExtension(SERIAL, encoded)
    shape = identity.form_factor | _FIPS_SHAPE * identity.fips
    yield x509.UnrecognizedExtension(FORM_FACTOR, number(shape, 1))
    if identity.fips:
        yield x509.UnrecognizedExtension(FIPS, b"")
