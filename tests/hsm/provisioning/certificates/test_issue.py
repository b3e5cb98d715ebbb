"""Certificates signed in the HSM: OpenSSL and cryptography both verify them up to the CA."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from yubihsm.defs import ALGORITHM, CAPABILITY
from yubihsm.exceptions import YubiHsmDeviceError
from yubihsm.objects import AsymmetricKey

from hsm.emulator.wire.firmware import Firmware
from hsm.provisioning.certificates.ca_key import CaKey, digest_for
from hsm.provisioning.certificates.errors import IssuingError, RequestRefusedError
from hsm.provisioning.certificates.issue import Issuer, self_issue
from hsm.provisioning.certificates.names import Names
from hsm.provisioning.certificates.profiles import packaged_profile
from tests.hsm.provisioning.certificates.conftest import (
    CA_NAMES,
    NAMES,
    NOW,
    Key,
    a_ca_key,
    a_device,
    a_request,
)

CLIENT, SERVER, ROOT = (
    packaged_profile(f"{one}") for one in ("tls-client", "tls-server", "root-ca")
)
SERVER_NAMES = Names((), (("dns", "otp.example.org"), ("ip", "192.0.2.7")))


def issued(issuer: Issuer, request: bytes | None = None) -> x509.Certificate:
    return issuer.issue(request or a_request(), CLIENT, NAMES, now=NOW)


def openssl_verifies(folder: Path, ca: x509.Certificate, certificate: x509.Certificate) -> str:
    for name, one in (("ca", ca), ("leaf", certificate)):
        (folder / f"{name}.pem").write_bytes(one.public_bytes(Encoding.PEM))
    when = str(int(NOW.timestamp()) + 60)
    return subprocess.run(
        ["openssl", "verify", "-x509_strict", "-attime", when, "-CAfile", "ca.pem", "leaf.pem"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


KEYS: dict[str, Key] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa2048": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("key", KEYS)
def test_openssl_and_cryptography_verify_a_clients_certificate(
    issuer: Issuer, tmp_path: Path, key: str
) -> None:
    certificate = issued(issuer, a_request(KEYS[key]))
    assert openssl_verifies(tmp_path, issuer.certificate, certificate) == "leaf.pem: OK"
    verifier = (
        PolicyBuilder()
        .store(Store([issuer.certificate]))
        .time(NOW + timedelta(minutes=1))
        .build_client_verifier()
    )
    verified = verifier.verify(certificate, [])
    assert verified.subjects == [x509.RFC822Name("ann@example.org")]


def test_openssl_and_cryptography_verify_a_servers_certificate(
    issuer: Issuer, tmp_path: Path
) -> None:
    certificate = issuer.issue(a_request(subject=""), SERVER, SERVER_NAMES, now=NOW)
    assert openssl_verifies(tmp_path, issuer.certificate, certificate) == "leaf.pem: OK"
    policy = PolicyBuilder().store(Store([issuer.certificate])).time(NOW + timedelta(minutes=1))
    verifier = policy.build_server_verifier(x509.DNSName("otp.example.org"))
    assert verifier.verify(certificate, [])[-1] == issuer.certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical, "with an empty subject it is all the name there is"


def test_a_certificate_that_was_altered_does_not_verify(issuer: Issuer, tmp_path: Path) -> None:
    der = bytearray(issued(issuer).public_bytes(Encoding.DER))
    der[der.index(b"ann")] ^= 1
    altered = x509.load_der_x509_certificate(bytes(der))
    assert openssl_verifies(tmp_path, issuer.certificate, altered) != "leaf.pem: OK"


def test_a_certificate_says_what_its_profile_says(one_issuer: Issuer) -> None:
    certificate = issued(one_issuer)
    said = certificate.extensions
    assert not said.get_extension_for_class(x509.BasicConstraints).value.ca
    assert said.get_extension_for_class(x509.BasicConstraints).critical
    usage = said.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    purposes = said.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    own = one_issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    authority = said.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == own.value.digest
    assert certificate.issuer == one_issuer.certificate.subject
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=398)


def test_a_ca_signs_certificates_and_no_other_cas(one_issuer: Issuer) -> None:
    own = one_issuer.certificate
    limits = own.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)
    with pytest.raises(IssuingError, match="does not let it issue root-ca"):
        one_issuer.issue(a_request(), ROOT, CA_NAMES, now=NOW)


def test_serials_are_positive_short_enough_and_never_the_same(one_issuer: Issuer) -> None:
    serials = [issued(one_issuer).serial_number for _ in range(20)]
    assert len(set(serials)) == 20
    assert all(0 < serial < 1 << 159 for serial in serials)
    assert max(serials).bit_length() > 140


def test_a_serial_of_zero_is_none(one_issuer: Issuer) -> None:
    with pytest.raises(IssuingError, match="zero"):
        issued(one_issuer._replace(randomness=bytes))


def test_a_signature_that_does_not_verify_is_not_handed_on(one_issuer: Issuer) -> None:
    class Wrong(CaKey):
        def sign(self, octets: bytes) -> bytes:
            return super().sign(octets + b"x")

    hsm, session = a_device()
    made = a_ca_key(hsm, session, ALGORITHM.EC_P256)
    wrong = Wrong(made._key, made.public_key)
    with pytest.raises(IssuingError, match="does not verify"):
        self_issue(wrong, ROOT, CA_NAMES, one_issuer.randomness, now=NOW)


@pytest.mark.parametrize("firmware", [Firmware(2, 2, 0), Firmware(2, 3, 1)])
def test_a_device_whose_ecdsa_leaks_signs_nothing(firmware: Firmware) -> None:
    hsm, session = a_device(firmware)
    with pytest.raises(IssuingError, match="YSA-2024-03"):
        a_ca_key(hsm, session, ALGORITHM.EC_P256)


@pytest.mark.parametrize("algorithm", [ALGORITHM.RSA_2048, ALGORITHM.EC_ED25519, ALGORITHM.EC_K256])
def test_a_key_of_another_kind_is_no_cas(algorithm: ALGORITHM) -> None:
    hsm, session = a_device()
    made = AsymmetricKey.generate(session, 0, "ca", 1, CAPABILITY.NONE, algorithm)
    with pytest.raises(IssuingError, match=r"P-256 or P-384"):
        CaKey.use(hsm, session, made.id)


def test_a_key_that_is_not_there_is_the_devices_own_word() -> None:
    hsm, session = a_device()
    with pytest.raises(YubiHsmDeviceError):
        CaKey.use(hsm, session, 0x0401)


def elsewhere(issuer: Issuer) -> Issuer:
    hsm, session = a_device()
    return issuer._replace(signer=a_ca_key(hsm, session, ALGORITHM.EC_P384))


def test_a_ca_certificate_of_another_key_issues_nothing(one_issuer: Issuer) -> None:
    with pytest.raises(IssuingError, match="not that of the key"):
        issued(elsewhere(one_issuer))


@pytest.mark.parametrize("days", [-1, 3650, 3253])
def test_nothing_is_issued_outside_the_cas_own_term(one_issuer: Issuer, days: int) -> None:
    with pytest.raises(IssuingError, match=r"not valid now|outlive"):
        one_issuer.issue(a_request(), CLIENT, NAMES, now=NOW + timedelta(days=days))


def test_a_request_for_the_cas_own_key_is_refused(one_issuer: Issuer) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    mine = Issuer(_Local(key), one_issuer.certificate, one_issuer.randomness)
    own = self_issue(mine.signer, ROOT, CA_NAMES, mine.randomness, now=NOW)
    with pytest.raises(RequestRefusedError, match="own key"):
        issued(mine._replace(certificate=own), a_request(key))


class _Local:
    """A signer with its key in memory, to make what the HSM would never sign for us."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key()
        self.digest = digest_for(key.curve)

    def sign(self, octets: bytes) -> bytes:
        return self._key.sign(octets, ec.ECDSA(self.digest))


def wishes() -> Iterator[tuple[str, x509.ExtensionType, str]]:
    yield "a CA", x509.BasicConstraints(ca=True, path_length=None), "asks for a CA"
    yield (
        "names",
        x509.SubjectAlternativeName([x509.RFC822Name("root@example.org")]),
        "not ordered",
    )
    yield "purpose", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), "purpose"
    yield "unknown", x509.InhibitAnyPolicy(1), "extension that is not given"
    yield "usage", ROOT.key_usage_extension(), "another key usage"


@pytest.mark.parametrize(("extension", "why"), [(e, w) for _, e, w in wishes()])
def test_what_a_request_wishes_for_and_does_not_get_is_refused(
    one_issuer: Issuer, extension: x509.ExtensionType, why: str
) -> None:
    request = a_request(more=lambda one: one.add_extension(extension, critical=False))
    with pytest.raises(RequestRefusedError, match=why):
        issued(one_issuer, request)


def test_what_a_request_wishes_for_and_gets_is_no_fault(one_issuer: Issuer) -> None:
    request = a_request(
        more=lambda one: (
            one.add_extension(
                x509.SubjectAlternativeName([x509.RFC822Name("ann@example.org")]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(CLIENT.key_usage_extension(), critical=True)
            .add_extension(x509.ExtendedKeyUsage(CLIENT.purposes()), critical=False)
        )
    )
    assert issued(one_issuer, request).subject == NAMES.subject()


def test_another_subject_than_was_ordered_is_refused(one_issuer: Issuer) -> None:
    with pytest.raises(RequestRefusedError, match="not the one that was ordered"):
        issued(one_issuer, a_request(subject="root"))
    assert issued(one_issuer, a_request(subject="")).subject == NAMES.subject()


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (ec.generate_private_key(ec.SECP521R1()), "secp521r1"),
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
        (rsa.generate_private_key(65537, 1024), "rsa1024"),  # noqa: S505 - weak on purpose
        (rsa.generate_private_key(3, 2048), "exponent is 3"),
    ],
    ids=["p521", "k256", "rsa1024", "e=3"],
)
def test_keys_that_are_not_on_the_list_are_refused(one_issuer: Issuer, key: Key, why: str) -> None:
    with pytest.raises(RequestRefusedError, match=why):
        issued(one_issuer, a_request(key))


def test_a_request_whose_signature_is_wrong_is_refused(one_issuer: Issuer) -> None:
    request = x509.load_pem_x509_csr(a_request(ed25519.Ed25519PrivateKey.generate()))
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(RequestRefusedError, match="has not the key"):
        issued(one_issuer, forged)


def test_a_request_signed_with_sha1_is_refused(one_issuer: Issuer, tmp_path: Path) -> None:
    made = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-sha1", "-subj", "/CN=ann",
         "-keyout", "key.pem"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )  # fmt: skip
    assert isinstance(x509.load_pem_x509_csr(made.stdout).signature_hash_algorithm, SHA1)
    with pytest.raises(RequestRefusedError, match=r"sha1|has not the key"):
        issued(one_issuer, made.stdout)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN NONSENSE-----", bytes(20_000), b"\xff" * 100])
def test_what_is_no_request_is_refused(one_issuer: Issuer, pem: bytes) -> None:
    with pytest.raises(RequestRefusedError, match=r"no certificate request|larger"):
        issued(one_issuer, pem or b"x")
