"""What a key's attestation says, once its chain is believed: root, slot F9, slot 9E. Pure.

Source: Yubico, "PIV attestation" and the published object identifiers 1.3.6.1.4.1.41482.3.x. As
its certificates really are: a slot's certificate has the dates of F9's, and neither key usage nor
basic constraints; F9's is an authority, but for that of firmware 4.3, which says nothing but its
firmware (one that was published is in the tests) and has a root right above it; those above say
how long a path below them may be.
"""

from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.fleet.attestation_bundle import AttestationBundle, is_preview, signs_as_keys_do
from server.fleet.firmware import Version
from server.fleet.proof import ProofRefusedError

MAX_CERTIFICATE_OCTETS = 4096
SLOT = 0x9E

_YUBICO = "1.3.6.1.4.1.41482.3"
_FIRMWARE = x509.ObjectIdentifier(f"{_YUBICO}.3")
_SERIAL = x509.ObjectIdentifier(f"{_YUBICO}.7")
_POLICIES = x509.ObjectIdentifier(f"{_YUBICO}.8")
_FORM_FACTOR = x509.ObjectIdentifier(f"{_YUBICO}.9")
_FIPS = x509.ObjectIdentifier(f"{_YUBICO}.10")
_NEVER = 1
_MAX_ABOVE = 4
_PURPOSE = "PIV"
_NAME = f"YubiKey PIV Attestation {SLOT:02x}"
_KNOWN_CRITICAL = (x509.BasicConstraints, x509.KeyUsage, x509.CertificatePolicies)
"""What is understood. Every policy is accepted, so there is nothing in them to be looked at; a
retail key's certificates name some, as critical ones, at least those of its Security Domain."""

_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_INTEGER, _OCTET_STRING = 0x02, 0x04
_UNREADABLE = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class Attested(NamedTuple):
    """A key that was made in slot 9E and is used without PIN and touch.

    form_factor: the octet with its flags, None where it does not tell; fips: that it is of a FIPS
    line, where its chain says so.
    """

    serial: int
    firmware: Version
    form_factor: int | None
    fips: bool
    public_key: ec.EllipticCurvePublicKey


def read_certificate(octets: bytes) -> x509.Certificate:
    """Read a certificate (DER) with all that is looked at of it later. ProofRefusedError."""
    if len(octets) > MAX_CERTIFICATE_OCTETS:
        raise ProofRefusedError("malformed-proof", "a certificate is longer than any of a key's")
    try:
        found = x509.load_der_x509_certificate(octets)
        list(found.extensions)
        found.subject.rfc4514_string()
        found.issuer.rfc4514_string()
        found.not_valid_after_utc.isoformat()
        found.public_key()
    except _UNREADABLE:
        raise ProofRefusedError("malformed-proof", "a certificate cannot be read") from None
    except Exception:  # noqa: BLE001 - of a library that reads strangers' octets: nothing is proved
        raise ProofRefusedError("malformed-proof", "a certificate cannot be read") from None
    return found


def attested(
    bundle: AttestationBundle, slot: x509.Certificate, f9: x509.Certificate, now: datetime
) -> Attested:
    """Return what a chain proves of a key. ProofRefusedError says which link does not hold."""
    for one in (slot, f9):
        if is_preview(one.subject) or is_preview(one.issuer):
            raise _refused("preview", "the key is a preview that was never sold: it proves nothing")
        _require_now(one, now)
        _require_known(one)
    if _is_authority(slot) or _common_name(slot).lower() != _NAME.lower():
        raise _refused("not-attested", f"this is no attestation of slot {SLOT:02X}")
    _require_issued(slot, f9)
    require_path(bundle, f9, now)
    if _octets_of(slot, _POLICIES) != bytes((_NEVER, _NEVER)):
        raise _refused(
            "policies",
            f"the key in slot {SLOT:02X} asks for a PIN or a touch: generate one with"
            " --pin-policy never --touch-policy never",
        )
    public_key = slot.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(
        public_key.curve, ec.SECP256R1
    ):
        raise _refused("curve", f"the key in slot {SLOT:02X} is none of ECCP256")
    form = _octets_of(slot, _FORM_FACTOR)
    return Attested(
        _serial(slot),
        _firmware(slot),
        form[0] if form is not None and len(form) == 1 else None,
        _has(slot, _FIPS) or _has(f9, _FIPS),
        public_key,
    )


def require_path(bundle: AttestationBundle, f9: x509.Certificate, now: datetime) -> None:
    """Go up from F9 to a root that is trusted: each an authority for so long a path, and valid."""
    current = f9
    for below in range(_MAX_ABOVE):
        issuer, is_root = _issuer_of(bundle, current)
        if not (current is f9 and is_root and _is_of_firmware_4(f9)):
            _require_authority(current, below)
        if current is f9 and _PURPOSE not in _common_name(issuer).split():
            raise _refused("chain", "slot F9 was certified by an authority of something else")
        _require_now(issuer, now)
        if is_root:
            _require_authority(issuer, below + 1)
            return
        current = issuer
    raise _refused("chain", "the chain has no end")


def _is_of_firmware_4(f9: x509.Certificate) -> bool:
    """Tell whether a certificate of slot F9 is as firmware 4.3 has it: of nothing but its firmware.

    A root of PIV certifies slots F9 and nothing else, so who has one is an authority unsaid. What a
    slot F9 certified has no root above it, and is none, however little it says.
    """
    return [extension.oid for extension in f9.extensions] == [_FIRMWARE]


def _issuer_of(bundle: AttestationBundle, one: x509.Certificate) -> tuple[x509.Certificate, bool]:
    for certificates, is_root in ((bundle.roots, True), (bundle.intermediates, False)):
        for issuer in certificates:
            if issuer.subject == one.issuer and issuer != one and _is_issued(one, issuer):
                return issuer, is_root
    raise _refused(
        "root",
        "the chain ends in no root that is trusted here: the key is not Yubico's, or of newer ones"
        " than this edition of the roots (keystead fleet roots)",
    )


def _require_issued(one: x509.Certificate, issuer: x509.Certificate) -> None:
    if not _is_issued(one, issuer):
        raise _refused("chain", "the attestation was not made by the key of this slot F9")


def _is_issued(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        if not isinstance(one.signature_hash_algorithm, _HASHES) or not signs_as_keys_do(issuer):
            return False
        one.verify_directly_issued_by(issuer)
    except (InvalidSignature, *_UNREADABLE):
        return False
    except Exception:  # noqa: BLE001 - an algorithm that nothing here knows: not issued by it
        return False
    return True


def _require_authority(one: x509.Certificate, below: int) -> None:
    """See that a certificate may certify, with `below` authorities between it and the slot's."""
    try:
        constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise _refused("chain", "a certificate of the chain is of no authority") from None
    if not constraints.ca:
        raise _refused("chain", "a certificate of the chain is of no authority")
    if constraints.path_length is not None and constraints.path_length < below:
        raise _refused("chain", "the chain is longer than an authority in it allows")
    try:
        usage = one.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise _refused("chain", "a certificate of the chain may not certify")


def _require_now(one: x509.Certificate, now: datetime) -> None:
    if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
        raise _refused("validity", "a certificate of the chain is not valid today")


def _require_known(one: x509.Certificate) -> None:
    for extension in one.extensions:
        if extension.critical and not isinstance(extension.value, _KNOWN_CRITICAL):
            raise _refused("chain", "a certificate says something that must be understood")


def _is_authority(one: x509.Certificate) -> bool:
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _common_name(one: x509.Certificate) -> str:
    names = one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _has(one: x509.Certificate, name: x509.ObjectIdentifier) -> bool:
    return any(extension.oid == name for extension in one.extensions)


def _octets_of(one: x509.Certificate, name: x509.ObjectIdentifier) -> bytes | None:
    """Return what an extension holds. Real keys have raw octets there, with or without a header."""
    for extension in one.extensions:
        if extension.oid == name and isinstance(extension.value, x509.UnrecognizedExtension):
            octets = extension.value.value
            header = bytes((_OCTET_STRING, max(0, len(octets) - 2)))
            return octets[2:] if octets[:2] == header else octets
    return None


def _serial(one: x509.Certificate) -> int:
    octets = _octets_of(one, _SERIAL)
    if (
        octets is None
        or not 3 <= len(octets) <= 7  # noqa: PLR2004 - INTEGER of up to 32 bits, not negative
        or octets[0] != _INTEGER
        or octets[1] != len(octets) - 2
        or octets[2] >> 7
    ):
        raise _refused("serial", "the attestation tells no serial number")
    return int.from_bytes(octets[2:], "big")


def _firmware(one: x509.Certificate) -> Version:
    octets = _octets_of(one, _FIRMWARE)
    if octets is None or len(octets) != 3:  # noqa: PLR2004 - major, minor, patch
        raise _refused("malformed-proof", "the attestation tells no firmware")
    return Version(*octets)


def _refused(code: str, message: str) -> ProofRefusedError:
    return ProofRefusedError(code, message)
