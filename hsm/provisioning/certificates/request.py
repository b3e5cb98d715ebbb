"""Certificate requests (PKCS #10): that whoever asks has the key, and which kind of key it is.

A request proves possession of a key. Its names are compared with those that were ordered, and
what else it wishes for is refused rather than ignored: whoever asks shall not believe they got it.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from hsm.provisioning.certificates.errors import RequestRefusedError
from hsm.provisioning.certificates.names import Names
from hsm.provisioning.certificates.profiles import Profile
from hsm.provisioning.certificates.weak_rsa import is_of_a_weak_chip

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

_MAX_OCTETS = 16 * 1024
_CURVES = {"secp256r1": "p256", "secp384r1": "p384"}
_EXPONENT = 65537


class CheckedRequest(NamedTuple):
    """A request that was found right. key: as profiles name it."""

    public_key: PublicKey
    key: str


def check_request(pem: bytes, profile: Profile, names: Names) -> CheckedRequest:
    """Return a request's key if a certificate may be issued for it; RequestRefusedError.

    pem: the request as it came, a PEM block; names: what was ordered.
    """
    request = _parse(pem)
    public_key, key = _kind_of(request)
    if key not in profile.keys:
        raise RequestRefusedError(
            f"the request's key is {key}; the profile {profile.name} takes"
            f" {', '.join(profile.keys)}"
        )
    if isinstance(public_key, rsa.RSAPublicKey):
        _check_rsa(public_key)
    _check_signature(request)
    _check_names(request, names)
    _check_wishes(request, profile, names)
    return CheckedRequest(public_key, key)


def _parse(pem: bytes) -> x509.CertificateSigningRequest:
    if len(pem) > _MAX_OCTETS:
        raise RequestRefusedError("the request is larger than 16 KiB: it is none")
    try:
        return x509.load_pem_x509_csr(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise RequestRefusedError("this is no certificate request (PKCS #10, PEM)") from None


def _kind_of(request: x509.CertificateSigningRequest) -> tuple[PublicKey, str]:
    """Return the key and its kind; RequestRefusedError for one of no kind that is known."""
    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise RequestRefusedError("the request's key is of no kind that is known") from None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key, _CURVES.get(key.curve.name, key.curve.name)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key, "ed25519"
    if isinstance(key, rsa.RSAPublicKey):
        return key, f"rsa{key.key_size}"
    raise RequestRefusedError("the request's key is of no kind that is known")


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    numbers = key.public_numbers()
    if numbers.e != _EXPONENT:
        raise RequestRefusedError(f"the RSA key's exponent is {numbers.e}, wanted is {_EXPONENT}")
    if is_of_a_weak_chip(numbers.n):
        raise RequestRefusedError(
            "the RSA key can be factored (ROCA, CVE-2017-15361): it was made by a chip with a"
            " fault, such as a YubiKey 4 before 4.3.5. Make an elliptic key, or use another YubiKey"
        )


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    try:
        digest = request.signature_hash_algorithm
        good = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        digest, good = None, False
    if not good:
        raise RequestRefusedError("the request's signature is wrong: whoever asks has not the key")
    if digest is not None and not isinstance(digest, SHA256 | SHA384 | SHA512):
        raise RequestRefusedError(f"the request is signed with {digest.name}: use SHA-256")


def _check_names(request: x509.CertificateSigningRequest, names: Names) -> None:
    ordered = {(one.oid, one.value) for one in names.subject()}
    if any((one.oid, one.value) not in ordered for one in request.subject):
        raise RequestRefusedError("the request's subject is not the one that was ordered")


def _check_wishes(request: x509.CertificateSigningRequest, profile: Profile, names: Names) -> None:
    """Refuse a request for anything that the certificate will not have."""
    try:
        wishes = list(request.extensions)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise RequestRefusedError("the request's extensions cannot be read") from None
    for wish in wishes:
        if fault := next(_faults(wish.value, profile, names), ""):
            raise RequestRefusedError(f"the request asks for {fault}")


def _faults(wish: x509.ExtensionType, profile: Profile, names: Names) -> Iterator[str]:
    match wish:
        case x509.SubjectAlternativeName():
            ordered = names.alternative_names()
            if any(one not in ordered for one in wish):
                yield "alternative names that were not ordered"
        case x509.BasicConstraints():
            if wish.ca and not profile.is_ca:
                yield f"a CA, and the profile {profile.name} makes none"
        case x509.KeyUsage():
            if wish != profile.key_usage_extension():
                yield f"another key usage than the profile {profile.name} gives"
        case x509.ExtendedKeyUsage():
            if not set(wish) <= set(profile.purposes()):
                yield f"a purpose that the profile {profile.name} does not give"
        case x509.SubjectKeyIdentifier():
            pass  # follows from the key
        case _:
            yield f"an extension that is not given ({wish.oid.dotted_string})"
