"""Certificate files: what is no good is refused, with the file, the reason and what to do."""

import os
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server import tls
from server.tlsfiles import TlsError, TlsFiles, stamp
from tests.certificates import Authority

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> TlsFiles:
    return authority.issue(tmp_path / "good")


def load(files: TlsFiles, *, now_s: float | None = None, in_service: str = "") -> tls.Credentials:
    return tls.load(files, now_s=time.time() if now_s is None else now_s, in_service=in_service)


def refusal(files: TlsFiles, *, now_s: float | None = None) -> str:
    with pytest.raises(TlsError) as caught:
        load(files, now_s=now_s)
    return str(caught.value)


def test_good_files_tell_names_and_expiry(files: TlsFiles) -> None:
    credentials = load(files)
    certificate = credentials.certificate
    assert set(certificate.names) == {"localhost", "127.0.0.1", "door.test"}
    assert certificate.days_left(time.time()) == 89
    assert len(certificate.fingerprint) == 64
    assert credentials.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert credentials.context.verify_mode is ssl.CERT_NONE


def test_days_left_are_negative_from_the_moment_it_expires(files: TlsFiles) -> None:
    certificate = load(files).certificate
    assert certificate.days_left(certificate.expires_at - 1) == 0
    assert certificate.days_left(certificate.expires_at + 1) == -1


def test_a_chain_and_an_rsa_key_are_good(tmp_path: Path) -> None:
    child = Authority()
    child.ca = trustme.CA().create_child_ca()
    files = child.issue(tmp_path, key_type=trustme.KeyType.RSA)
    assert files.certificate.read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert load(files).certificate.names


@pytest.mark.parametrize("which", ["certificate", "key", "client_ca"])
def test_a_missing_file_is_named(files: TlsFiles, tmp_path: Path, which: str) -> None:
    absent = tmp_path / "absent.pem"
    assert refusal(files._replace(**{which: absent})).startswith(f"{absent}: there is no such file")


def test_an_expired_certificate_is_refused_with_the_day(
    authority: Authority, tmp_path: Path
) -> None:
    files = authority.issue(tmp_path, days=-1, began=30)
    assert refusal(files).startswith(f"{files.certificate}: the certificate expired on 2")


def test_an_expired_certificate_that_is_in_service_already_is_taken(
    authority: Authority, tmp_path: Path
) -> None:
    files = authority.issue(tmp_path)
    shown = load(files).certificate
    after = shown.expires_at + 1.0
    assert load(files, now_s=after, in_service=shown.fingerprint).certificate == shown
    authority.issue(tmp_path)
    with pytest.raises(TlsError, match="expired"):
        load(files, now_s=after + 1e6, in_service=shown.fingerprint)


def test_a_certificate_of_the_future_is_refused(authority: Authority, tmp_path: Path) -> None:
    files = authority.issue(tmp_path, began=-2)
    assert "is good only from" in refusal(files)


def test_a_key_of_another_certificate_is_refused(authority: Authority, tmp_path: Path) -> None:
    one, other = authority.issue(tmp_path / "1"), authority.issue(tmp_path / "2")
    assert refusal(one._replace(key=other.key)).startswith(f"{other.key}: not the key of the first")


def test_a_chain_in_the_wrong_order_names_the_line(authority: Authority, files: TlsFiles) -> None:
    above = authority.ca.cert_pem.bytes()
    files.certificate.write_bytes(above + files.certificate.read_bytes())
    line = above.count(b"\n") + 1
    assert refusal(files).startswith(f"{files.certificate}:{line}: this is the certificate of the")


def test_a_certificate_cut_short_names_the_line(files: TlsFiles) -> None:
    whole = files.certificate.read_bytes()
    files.certificate.write_bytes(b"# a note\n\n" + whole[: len(whole) // 2])
    assert refusal(files).startswith(f"{files.certificate}:3: the certificate that begins here")


def test_files_that_were_mixed_up_are_told_apart(files: TlsFiles) -> None:
    said = refusal(files._replace(certificate=files.key))
    assert said.startswith(f"{files.key}:1: EC PRIVATE KEY stands here, and no certificate")
    files.certificate.chmod(0o600)
    assert "no PEM private key" in refusal(files._replace(key=files.certificate))


def test_der_is_refused_with_the_command_that_converts_it(files: TlsFiles) -> None:
    files.certificate.write_bytes(ssl.PEM_cert_to_DER_cert(files.certificate.read_text()))
    assert "openssl x509 -inform der" in refusal(files)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(files: TlsFiles) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    assert refusal(files).startswith(f"{files.key}:1: the key is encrypted")


def test_a_short_rsa_key_is_refused(files: TlsFiles) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - what is refused
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
    own = builder.sign(key, hashes.SHA256())
    files.certificate.write_bytes(own.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "ee key too small" in refusal(files)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_key_that_others_may_read_is_refused(files: TlsFiles, mode: int) -> None:
    owner_is_root = os.geteuid() == 0
    files.key.chmod(mode)
    if owner_is_root and mode == 0o640:
        load(files)  # root's own group may read: Debian's ssl-cert
        return
    said = refusal(files)
    assert said.startswith(f"{files.key}: others may read this private key (mode {mode:04o})")
    assert f"chmod 600 {files.key}" in said


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_for_its_owner_alone_is_good(files: TlsFiles, mode: int) -> None:
    files.key.chmod(mode)
    load(files)


def test_client_authorities_make_client_certificates_necessary(
    authority: Authority, files: TlsFiles, tmp_path: Path
) -> None:
    mutual = files._replace(client_ca=authority.write(tmp_path / "ca.pem"))
    assert load(mutual).context.verify_mode is ssl.CERT_REQUIRED


def test_no_refusal_shows_what_is_in_a_file(files: TlsFiles) -> None:
    secret = files.key.read_text().splitlines()[2]
    files.key.write_text(files.key.read_text()[:-60])
    assert secret[:10] not in refusal(files)


def test_a_stamp_changes_with_either_file_and_with_its_absence(
    authority: Authority, files: TlsFiles, tmp_path: Path
) -> None:
    stamps = [stamp(files)]
    assert stamp(files) == stamps[0]
    other = authority.issue(tmp_path / "other")
    other.key.replace(files.key)
    stamps.append(stamp(files))
    files.certificate.unlink()
    stamps.append(stamp(files))
    assert len(set(stamps)) == 3


@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000), junk=st.binary(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_of_the_files_makes_anything_but_a_refusal(
    files: TlsFiles, tmp_path: Path, cut: int, flip: int, junk: bytes
) -> None:
    for number, file in enumerate(files.all):
        octets = bytearray(file.read_bytes()[:cut] + junk)
        if flip < len(octets):
            octets[flip] ^= 1
        broken = tmp_path / f"broken-{number}"
        broken.write_bytes(octets)
        broken.chmod(0o600)
        try:
            load(TlsFiles(broken, files.key) if number == 0 else files._replace(key=broken))
        except TlsError as error:
            assert str(broken) in str(error)  # noqa: PT017 - being read is fine too
