"""Attestation: a certificate that says what is known of a key, signed by another key here."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hsm.emulator.forms import ec, keys, rsa
from hsm.emulator.objects.call import Call
from hsm.emulator.objects.options import Fips
from hsm.emulator.objects.record import Record
from hsm.emulator.wire import algorithm as known
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import Capability
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError

_ARC = "1.3.6.1.4.1.41482.4"
_VERSION, _SERIAL, _ORIGIN, _DOMAINS, _CAPABILITIES, _ID, _LABEL, _FIPS = 1, 2, 3, 4, 5, 6, 9, 12
_INTEGER, _BIT_STRING, _OCTET_STRING, _UTF8_STRING, _BOOLEAN = 0x02, 0x03, 0x04, 0x0C, 0x01
_FROM = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_UNTIL = dt.datetime(2070, 1, 1, tzinfo=dt.UTC)


def sign_attestation_certificate(call: Call) -> bytes:
    """Attest a key: id(2) attesting key(2). The reply is a certificate (DER).

    The certificate stored under the attesting key's id gives the issuer's name.
    """
    fields = call.fields()
    object_id, attesting_id = fields.u16(), fields.u16()
    fields.end()
    attested = call.find(Kind.ASYMMETRIC_KEY, object_id)
    attesting = call.use(Kind.ASYMMETRIC_KEY, attesting_id, Capability.SIGN_ATTESTATION_CERTIFICATE)
    template = call.find(Kind.OPAQUE, attesting_id)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(object_id))
        .issuer_name(_issuer(template))
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .serial_number(int.from_bytes(call.device.random(15)) + 1)
        .public_key(keys.public_key(attested.algorithm, attested.material))
    )
    for number, value in _statements(call, attested).items():
        oid = x509.ObjectIdentifier(f"{_ARC}.{number}")
        unknown = x509.UnrecognizedExtension(oid, value)
        builder = builder.add_extension(unknown, critical=False)
    return _signed(builder, attesting).public_bytes(Encoding.DER)


def _subject(object_id: int) -> x509.Name:
    common = f"YubiHSM EMULATOR Attestation id:0x{object_id:04x}"
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _issuer(template: Record) -> x509.Name:
    if template.algorithm is not Algorithm.OPAQUE_X509_CERTIFICATE:
        raise RefusedError(Refusal.INVALID_DATA)
    try:
        return x509.load_der_x509_certificate(template.material).subject
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None


def _statements(call: Call, record: Record) -> dict[int, bytes]:
    device = call.device
    said = {
        _VERSION: _der(_OCTET_STRING, bytes(device.firmware)),
        _SERIAL: _integer(device.identity.serial),
        _ORIGIN: _bits(record.origin, 1),
        _DOMAINS: _bits(record.domains, 2),
        _CAPABILITIES: _bits(record.capabilities, 8),
        _ID: _integer(record.object_id),
        _LABEL: _der(_UTF8_STRING, record.label.rstrip(b"\0")),
    }
    if device.options.fips_model and device.options.strict_fips:
        approved = device.options.fips is not Fips.OFF and not device.factory_key_works()
        said[_FIPS] = _der(_BOOLEAN, b"\xff" if approved else b"\0")
    return said


def _signed(builder: x509.CertificateBuilder, attesting: Record) -> x509.Certificate:
    if attesting.algorithm in known.RSA:
        return builder.sign(attesting.opened(rsa.opened).key, SHA256())
    if attesting.algorithm in known.EC:
        form = attesting.material
        return builder.sign(ec.private_key(attesting.algorithm, form), SHA256())
    raise RefusedError(Refusal.INVALID_DATA)


def _der(tag: int, content: bytes) -> bytes:
    # Nothing here is longer than a label's 40 octets, so one octet holds each length.
    return bytes([tag, len(content)]) + content


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _bits(value: int, size: int) -> bytes:
    return _der(_BIT_STRING, b"\0" + value.to_bytes(size))
