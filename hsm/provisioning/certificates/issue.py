"""Issuing: the certificate is built here, signed by the HSM, and verified before anybody gets it.

`cryptography` builds what is to be signed but wants a private key to do so. It gets one made for
the moment, of the CA's curve, so that the algorithm in the signed part is the right one; the HSM
then signs that very part, and its signature takes the place of the other.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.provisioning.certificates.ca_key import Signer
from hsm.provisioning.certificates.errors import IssuingError, RequestRefusedError
from hsm.provisioning.certificates.names import Names
from hsm.provisioning.certificates.profiles import Profile
from hsm.provisioning.certificates.request import PublicKey, check_request
from hsm.provisioning.entropy import Randomness

_SERIAL_OCTETS = 20  # RFC 5280, 4.1.2.2: at most 20, and positive
_TOP_BIT = 1 << (8 * _SERIAL_OCTETS - 1)


@asn1.sequence
class _Certificate:
    """RFC 5280, 4.1: what is signed, how, and the signature."""

    tbs: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


class Issuer(NamedTuple):
    """A CA at work. signer: the key in the HSM; certificate: its own; randomness: for serials."""

    signer: Signer
    certificate: x509.Certificate
    randomness: Randomness

    def issue(
        self, request: bytes, profile: Profile, names: Names, *, now: datetime
    ) -> x509.Certificate:
        """Issue a certificate for a request's key.

        request: PEM; names: what was ordered. Raises RequestRefusedError for what the profile
        does not give, IssuingError when the CA must not issue, and what the HSM raises.
        """
        not_before, not_after = _term(profile, now)
        self._check_itself(profile, now, not_after)
        if fault := profile.fault_of(names):
            raise RequestRefusedError(fault)
        key = check_request(request, profile, names).public_key
        if _spki(key) == _spki(self.signer.public_key):
            raise RequestRefusedError("the request is for the CA's own key")
        draft = _draft(profile, names, key, _serial(self.randomness), not_before, not_after)
        draft = draft.issuer_name(self.certificate.subject)
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)
        return _signed(draft.add_extension(authority, critical=False), self.signer)

    def _check_itself(self, profile: Profile, now: datetime, not_after: datetime) -> None:
        own = self.certificate
        if _spki(own.public_key()) != _spki(self.signer.public_key):  # type: ignore[arg-type] # any key
            raise IssuingError("the CA's certificate is not that of the key in the HSM")
        limits = own.extensions.get_extension_for_class(x509.BasicConstraints).value
        below = profile.path_length
        too_deep = below is not None and (limits.path_length or 0) <= below
        if not limits.ca or (too_deep and limits.path_length is not None):
            raise IssuingError(f"this CA's certificate does not let it issue {profile.name}")
        if not own.not_valid_before_utc <= now < own.not_valid_after_utc:
            raise IssuingError("the CA's certificate is not valid now: renew it first")
        if not_after > own.not_valid_after_utc:
            raise IssuingError(
                f"a certificate of {profile.name} would outlive the CA's own, which ends"
                f" {own.not_valid_after_utc:%Y-%m-%d}: renew the CA, or shorten validity_days"
            )


def self_issue(
    signer: Signer, profile: Profile, names: Names, randomness: Randomness, *, now: datetime
) -> x509.Certificate:
    """Issue a CA's certificate by itself. IssuingError, RequestRefusedError."""
    if not profile.is_ca:
        raise IssuingError(f"the profile {profile.name} makes no CA")
    if fault := profile.fault_of(names):
        raise RequestRefusedError(fault)
    if not names.attributes:
        raise RequestRefusedError("a CA needs a subject: its certificates name it as their issuer")
    curves = {"secp256r1": "p256", "secp384r1": "p384"}
    if curves.get(signer.public_key.curve.name) not in profile.keys:
        raise IssuingError(f"the profile {profile.name} takes no key of this curve")
    not_before, not_after = _term(profile, now)
    key = signer.public_key
    draft = _draft(profile, names, key, _serial(randomness), not_before, not_after)
    return _signed(draft.issuer_name(names.subject()), signer)


def _term(profile: Profile, now: datetime) -> tuple[datetime, datetime]:
    """Return when a certificate that is issued now begins and ends, in whole seconds."""
    if now.tzinfo is None:
        raise ValueError("a time without its zone is no time")
    begin = now.astimezone(UTC).replace(microsecond=0)
    return begin - timedelta(minutes=profile.backdate_minutes), begin + timedelta(
        days=profile.validity_days
    )


def _serial(randomness: Randomness) -> int:
    """Return a serial of 159 random bits: positive, never zero, 20 octets at most."""
    serial = int.from_bytes(randomness(_SERIAL_OCTETS), "big") % _TOP_BIT
    if not serial:
        raise IssuingError("the randomness for a serial number was zero: it is none")
    return serial


def _draft(  # noqa: PLR0917 - the parts of a certificate, in its order
    profile: Profile,
    names: Names,
    key: PublicKey,
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    subject = names.subject()
    draft = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(
            x509.BasicConstraints(ca=profile.is_ca, path_length=profile.path_length), critical=True
        )
        .add_extension(profile.key_usage_extension(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if profile.extended_key_usage:
        draft = draft.add_extension(x509.ExtendedKeyUsage(profile.purposes()), critical=False)
    if alternatives := names.alternative_names():
        # RFC 5280, 4.2.1.6: critical when it is all the name there is.
        no_subject = not list(subject)
        names_extension = x509.SubjectAlternativeName(alternatives)
        draft = draft.add_extension(names_extension, critical=no_subject)
    return draft


def _signed(draft: x509.CertificateBuilder, signer: Signer) -> x509.Certificate:
    """Have the HSM sign a draft; IssuingError when what comes out does not verify."""
    for_a_moment = ec.generate_private_key(signer.public_key.curve)
    built = draft.sign(for_a_moment, signer.digest)
    parts = asn1.decode_der(_Certificate, built.public_bytes(Encoding.DER))
    signature = signer.sign(built.tbs_certificate_bytes)
    whole = _Certificate(
        tbs=parts.tbs,
        algorithm=parts.algorithm,
        signature=asn1.BitString(signature, padding_bits=0),
    )
    certificate = x509.load_der_x509_certificate(asn1.encode_der(whole))
    try:
        signer.public_key.verify(
            certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(signer.digest)
        )
    except InvalidSignature:
        raise IssuingError(
            "the HSM's signature does not verify under the CA's key: nothing was issued. Check"
            " the device before it signs anything else"
        ) from None
    return certificate


def _spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
