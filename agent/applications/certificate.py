"""A certificate in a PIV object: when it ends, and what kind of key it is for."""

import zlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from agent.applications.roca import has_fingerprint
from agent.findings import Findings, GarbageError
from agent.tlv import parse_mapping

_OBJECT, _CERTIFICATE, _INFO = 0x53, 0x70, 0x71
_COMPRESSED = b"\x01"
_MAX_OCTETS = 16 * 1024
_MAX_NAME = 120
_CURVES = {"secp256r1": "ec-p256", "secp384r1": "ec-p384", "secp521r1": "ec-p521"}


def read_object(name: str, data: bytes, findings: Findings) -> None:
    """Note what the certificate in a PIV object tells. GarbageError.

    Names and its number are noted too: who reports leaves them out unless they are wanted.
    """
    outer = parse_mapping(data)
    values = parse_mapping(outer.get(_OBJECT, b""))
    der = values.get(_CERTIFICATE, b"")
    if not der:
        return  # an object that was emptied
    if values.get(_INFO) == _COMPRESSED:
        der = _unpack(der)
    try:
        certificate = x509.load_der_x509_certificate(der)
        findings.know(f"{name}.expires", certificate.not_valid_after_utc.date().isoformat())
        findings.know(f"{name}.subject", _short(certificate.subject.rfc4514_string()))
        findings.know(f"{name}.issuer", _short(certificate.issuer.rfc4514_string()))
        findings.know(f"{name}.serial", f"{certificate.serial_number:x}"[:_MAX_NAME])
    # Whoever holds the key writes what he likes, and X.509 has room for much: a version that there
    # is not (`InvalidVersion`), a name of a type that no name has (TypeError).
    except Exception:  # noqa: BLE001
        raise GarbageError("something that is no certificate") from None
    try:
        key = certificate.public_key()
        algorithm = _algorithm(key)
        modulus = key.public_numbers().n if isinstance(key, rsa.RSAPublicKey) else None
    except Exception:  # noqa: BLE001 - as above: a key on no curve, or of no algorithm
        findings.know(f"{name}.algorithm", "unknown")
        return
    findings.know(f"{name}.algorithm", algorithm)
    if modulus is not None:
        findings.know(f"{name}.roca", has_fingerprint(modulus))


def _algorithm(key: object) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, "unknown")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    return "x25519" if isinstance(key, x25519.X25519PublicKey) else "unknown"


def _unpack(packed: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=31)  # gzip, as Yubico's tools write it
    try:
        found = inflate.decompress(packed, _MAX_OCTETS)
    except zlib.error:
        raise GarbageError("a packed certificate that does not unpack") from None
    if not inflate.eof:
        raise GarbageError("a packed certificate that is cut short or too long")
    return found


def _short(text: str) -> str:
    printable = "".join(one if one.isprintable() else "?" for one in text)
    return printable[:_MAX_NAME]
