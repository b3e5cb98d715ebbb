"""Who the device is: a serial number, a static key, and an attestation key with its chain.

All of it says EMULATOR. A device's word proves nothing, though: what tells hardware apart is
that its attestation certificate leads to Yubico's root, and this one leads to its own.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hsm.emulator.forms import ec
from hsm.emulator.objects.record import LABEL_SIZE, Record
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability
from hsm.emulator.wire.kind import Kind, Origin

PART_NUMBER = "KEYSTEAD-EMULATOR"
_SERIALS = 0xEE000000
"""The first of the serial numbers emulators give themselves; genuine ones are far below."""
_NAME = "Keystead YubiHSM EMULATOR (no hardware, not Yubico)"
# The device has no calendar; its certificates are good for longer than anybody asks.
_FROM = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_UNTIL = dt.datetime(2070, 1, 1, tzinfo=dt.UTC)
EVERYWHERE = 0xFFFF
"""All sixteen domains."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device keeps through every reset, but for its static key: internal forms of P-256.

    certificate, root: DER; the certificate names the serial, the root signed it.
    """

    serial: int
    static_key: bytes = field(repr=False)
    attestation_key: bytes = field(repr=False)
    certificate: bytes
    root: bytes

    @classmethod
    def create(cls, random: Callable[[int], bytes]) -> "Identity":
        """Make a new device. The root's key is thrown away: it signs one certificate ever."""
        serial = _SERIALS | int.from_bytes(random(3))
        root_key = ec.private_key(Algorithm.EC_P256, ec.generate(Algorithm.EC_P256, random))
        root_name = _name(f"{_NAME} Root")
        root = _builder(root_name, root_name, random).public_key(root_key.public_key())
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        attestation_form = ec.generate(Algorithm.EC_P256, random)
        attestation = ec.private_key(Algorithm.EC_P256, attestation_form)
        device = _builder(_name(f"{_NAME} ({serial})"), root_name, random)
        device = device.public_key(attestation.public_key())
        device = device.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(
            serial,
            ec.generate(Algorithm.EC_P256, random),
            attestation_form,
            device.sign(root_key, SHA256()).public_bytes(Encoding.DER),
            root.sign(root_key, SHA256()).public_bytes(Encoding.DER),
        )

    def renewed(self, random: Callable[[int], bytes]) -> "Identity":
        """Return the same device with a new static key: whoever pinned the old one notices."""
        return replace(self, static_key=ec.generate(Algorithm.EC_P256, random))

    def builtin(self, kind: Kind) -> Record | None:
        """Return the object with id 0 of a kind: the attestation key, or its certificate."""
        if kind is Kind.ASYMMETRIC_KEY:
            form, algorithm = self.attestation_key, Algorithm.EC_P256
        elif kind is Kind.OPAQUE:
            form, algorithm = self.certificate, Algorithm.OPAQUE_X509_CERTIFICATE
        else:
            return None
        return Record(
            kind,
            0,
            b"EMULATOR attestation".ljust(LABEL_SIZE, b"\0"),
            EVERYWHERE,
            Capability.SIGN_ATTESTATION_CERTIFICATE,
            algorithm,
            Origin.GENERATED,
            form,
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, random: Callable[[int], bytes]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .serial_number(int.from_bytes(random(15)) + 1)
    )
