"""The roots that attestations of keys end in, with what is published between: an edition of them.

Shipped beside this file, to be believed as much as the program itself; a newer edition is a file
that somebody signed whose key is in `fleet.attestation_keys`. Editions never go back. Where the
certificates come from stands in docs/fleet.md.
"""

import hashlib
from datetime import date
from importlib import resources
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from server.fleet.signed_file import open_signed
from server.journal.canonical import MalformedError, exactly, member, parse_object

FORMAT = 1
MAX_LISTED = 64
PREFIX = b"keystead attestation roots\0"
_DOCUMENT = frozenset({"format", "edition", "issued", "roots", "intermediates"})
_CERTIFICATE = frozenset({"name", "sha256", "pem", "source"})
_PREVIEW = "preview"
_MAX_RSA_BITS, _EXPONENT = 4096, 65537
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class AttestationBundle(NamedTuple):
    """An edition. roots: trusted; intermediates: below them, each signed by another one here."""

    edition: int
    issued: date
    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]

    def __repr__(self) -> str:
        return f"AttestationBundle({self.edition}, {len(self.roots)} roots)"


def shipped() -> AttestationBundle:
    """Return what came with this version."""
    text = resources.files("server.fleet").joinpath("attestation_roots.json").read_bytes()
    return read_document(parse_object(text))


def verify(text: bytes, trusted: tuple[bytes, ...]) -> AttestationBundle:
    """Read a signed edition. UntrustedFileError; MalformedError."""
    return read_document(open_signed(text, trusted, PREFIX))


def read_document(document: dict[str, Any]) -> AttestationBundle:
    """Read what was signed, and see that it is what it says. MalformedError."""
    exactly(document, _DOCUMENT)
    if member(document, "format", int) != FORMAT:
        raise MalformedError(
            f"the file has format {document['format']}, and this version reads format {FORMAT}:"
            " upgrade Keystead"
        )
    edition: int = member(document, "edition", int)
    if edition < 1:
        raise MalformedError("editions count from 1")
    roots, intermediates = (_listed(document, name) for name in ("roots", "intermediates"))
    if not roots:
        raise MalformedError("no root is in it: nothing could ever be proved")
    for root in roots:
        _require_signed(root, [root])
    for one in intermediates:
        _require_signed(one, [other for other in (*roots, *intermediates) if other != one])
    return AttestationBundle(edition, _day(document), tuple(roots), tuple(intermediates))


def is_preview(name: x509.Name) -> bool:
    """Tell whether a name is of what Yubico gave to keys that were never sold.

    Such keys have firmware and serials of no retail key, and their roots are no secret of anybody.
    """
    return any(_PREVIEW in str(part.value).lower() for part in name)


def signs_as_keys_do(one: x509.Certificate) -> bool:
    """Tell whether a certificate's key is of a kind that manufacturers sign with.

    Others are a host's own making: RSA with an exponent of its choice takes many times as long to
    check as any of these, one after the other, while who has to be verified waits.
    """
    key = one.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size <= _MAX_RSA_BITS and key.public_numbers().e == _EXPONENT
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)


def _listed(document: dict[str, Any], name: str) -> list[x509.Certificate]:
    listed: list[Any] = member(document, name, list)
    if len(listed) > MAX_LISTED:
        raise MalformedError(f'"{name}" holds more than {MAX_LISTED} certificates')
    if not all(isinstance(one, dict) for one in listed):
        raise MalformedError(f'"{name}" holds JSON objects')
    return [_certificate(one) for one in listed]


def _certificate(value: dict[str, Any]) -> x509.Certificate:
    exactly(value, _CERTIFICATE)
    name: str = member(value, "name", str)
    member(value, "source", str)
    try:
        found = x509.load_pem_x509_certificate(member(value, "pem", str).encode())
    except ValueError:
        raise MalformedError(f"{name[:80]!r} holds no certificate in PEM form") from None
    digest = hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()
    if digest != member(value, "sha256", str):
        raise MalformedError(f"the certificate of {name[:80]!r} is not the one that it names")
    if found.subject.rfc4514_string() != f"CN={name}":
        raise MalformedError(f"the certificate of {name[:80]!r} has another name")
    if is_preview(found.subject) or is_preview(found.issuer):
        raise MalformedError(f"{name[:80]!r} is of keys that were never sold: it proves nothing")
    return found


def _require_signed(one: x509.Certificate, by: list[x509.Certificate]) -> None:
    for issuer in by:
        try:
            one.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return
    name = one.subject.rfc4514_string()
    raise MalformedError(f"{name} is signed by no certificate of this file")


def _day(document: dict[str, Any]) -> date:
    try:
        return date.fromisoformat(member(document, "issued", str))
    except ValueError:
        raise MalformedError('"issued" is not a day such as 2026-11-27') from None
