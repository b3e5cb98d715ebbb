"""Whether a security domain's certificates lead to a root: path by path, as they really are.

A retail key of firmware 5.7.4 gives two: one of its own authority ("YubiKey SD Attestation ..."),
and one of the key that opens channels, made by it. Above them stands an authority that Yubico
publishes, and it has to be one of security domains: PIV's lead to the same root, and a slot's key
agrees on secrets for whoever holds the card, so that with it any host could play the key.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from server.fleet.attestation_bundle import AttestationBundle, is_preview, signs_as_keys_do

_PURPOSE = "SD"
_MAX_ABOVE = 5
_KNOWN_CRITICAL = (x509.BasicConstraints, x509.KeyUsage, x509.CertificatePolicies)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class BundleRoots:
    """An edition of the bundle, at the time that `now` tells (UTC)."""

    def __init__(self, bundle: AttestationBundle, now: Callable[[], datetime]) -> None:
        self._bundle = bundle
        self._now = now

    def proves(self, chain: Sequence[x509.Certificate]) -> bool:
        """Tell whether a chain, the leaf last, leads to one of the roots."""
        try:
            return self._leads(chain[-1], chain[:-1])
        except Exception:  # noqa: BLE001 - of a library that reads strangers' octets: not proved
            return False

    def _leads(self, leaf: x509.Certificate, own: Sequence[x509.Certificate]) -> bool:
        if _is_authority(leaf, 0) or not self._stands(leaf):
            return False
        current, is_published = leaf, False
        for below in range(_MAX_ABOVE):
            published = [*self._bundle.roots, *self._bundle.intermediates]
            issuer = _issuer(current, published)
            if issuer is None and not is_published:
                issuer = _issuer(current, own)
            elif issuer is not None and not is_published:
                is_published = True
                if _PURPOSE not in _common_name(issuer).split():
                    return False
            if issuer is None or not _is_authority(issuer, below) or not self._stands(issuer):
                return False
            if issuer in self._bundle.roots:
                return True
            current = issuer
        return False

    def _stands(self, one: x509.Certificate) -> bool:
        return (
            one.not_valid_before_utc <= self._now() <= one.not_valid_after_utc
            and not is_preview(one.subject)
            and not is_preview(one.issuer)
            and all(
                isinstance(extension.value, _KNOWN_CRITICAL)
                for extension in one.extensions
                if extension.critical
            )
        )


def _issuer(one: x509.Certificate, among: Sequence[x509.Certificate]) -> x509.Certificate | None:
    return next((other for other in among if other != one and _is_issued(one, other)), None)


def _is_issued(one: x509.Certificate, by: x509.Certificate) -> bool:
    if one.issuer != by.subject or not isinstance(one.signature_hash_algorithm, _HASHES):
        return False
    if not signs_as_keys_do(by):
        return False
    try:
        one.verify_directly_issued_by(by)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _is_authority(one: x509.Certificate, below: int) -> bool:
    """Tell whether a certificate may certify, with so many authorities below it."""
    try:
        constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not constraints.ca or (
        constraints.path_length is not None and constraints.path_length < below
    ):
        return False
    try:
        return one.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _common_name(one: x509.Certificate) -> str:
    names = one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""
