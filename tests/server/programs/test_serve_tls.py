"""`keystead serve` with certificate files: one process, and workers that read them themselves."""

import http.client
import os
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from server.tlsfiles import TlsFiles
from tests.certificates import Authority
from tests.keystead_process import KeysteadProcess

REFUSED = "keystead_tls_certificate_refused"
EXPIRY = "keystead_tls_certificate_expiry_timestamp_seconds"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def options(files: TlsFiles) -> list[str]:
    return ["--tls-certificate", str(files.certificate), "--tls-key", str(files.key)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the shared service's certificate lies."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "workers"])
def service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    folder: Path,
    authority: Authority,
) -> Iterator[KeysteadProcess]:
    """Run a service for all tests that leave it with a good certificate."""
    with KeysteadProcess(tmp_path_factory.mktemp("service") / "var") as keystead:
        keystead.trusted = authority.client()
        keystead.init("--sandbox")
        files = authority.issue(folder, days=30)
        keystead.start(workers=request.param, options=options(files))
        yield keystead


def address(keystead: KeysteadProcess) -> tuple[str, int]:
    assert keystead.ready is not None
    parts = urlsplit(keystead.ready.verify_url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def hang_up(keystead: KeysteadProcess) -> None:
    assert keystead.process is not None
    keystead.process.send_signal(signal.SIGHUP)


def certificates(keystead: KeysteadProcess) -> set[bytes | None]:
    """Return the certificates that a dozen new connections are shown: every worker's."""
    assert keystead.trusted is not None
    found = set()
    host, port = address(keystead)
    for _ in range(12):
        with (
            socket.create_connection((host, port), 10.0) as bare,
            keystead.trusted.wrap_socket(bare, server_hostname=host) as tls,
        ):
            found.add(tls.getpeercert(binary_form=True))
    return found


def test_an_otp_validates_once_over_https(service: KeysteadProcess) -> None:
    assert service.ready is not None
    line = service.ready.line
    assert re.match(r"ready verify=https://127\.0\.0\.1:\d+/wsapi/2\.0/verify ops=http://", line)
    otp = service.otp()
    assert service.verify(service.sandbox["id"], otp).status == "OK"
    assert service.verify(service.sandbox["id"], otp).status == "REPLAYED_OTP"


def test_the_command_to_copy_trusts_the_certificate(service: KeysteadProcess, folder: Path) -> None:
    text = service.out_file.read_text()
    assert f'curl -s --cacert {folder}/fullchain.pem "https://127.0.0.1:' in text


def test_a_hang_up_takes_up_new_files_and_open_connections_go_on(
    service: KeysteadProcess, authority: Authority, folder: Path
) -> None:
    assert service.trusted is not None
    before = certificates(service)
    expires_at = service.metrics()[EXPIRY]
    assert len(before) == 1
    standing = http.client.HTTPSConnection(*address(service), context=service.trusted, timeout=30)
    standing.request("GET", "/wsapi/2.0/verify")
    assert standing.getresponse().read()
    its_socket = standing.sock
    authority.issue(folder, days=60)
    hang_up(service)
    service.wait_until(lambda: certificates(service).isdisjoint(before))
    standing.request("GET", "/wsapi/2.0/verify")
    assert standing.getresponse().read()
    assert standing.sock is its_socket
    standing.close()
    assert service.metrics()[EXPIRY] > expires_at
    service.wait_until(lambda: any(line["event"] == "reloaded" for line in service.logs()))


def test_an_expired_certificate_at_a_hang_up_is_refused_and_the_old_one_stays(
    service: KeysteadProcess, authority: Authority, folder: Path
) -> None:
    before, expires_at = certificates(service), service.metrics()[EXPIRY]
    workers = service.worker_pids()
    assert service.metrics()[REFUSED] == 0
    authority.issue(folder, days=-1, began=9)
    hang_up(service)
    service.wait_until(lambda: any(line["event"] == "reload_failed" for line in service.logs()))
    assert service.metrics()[REFUSED] == 1
    assert service.worker_pids() == workers
    told = [line for line in service.logs() if line["event"] == "tls_reload_refused"]
    assert told
    assert told[0]["error"].startswith(f"{folder}/fullchain.pem: the certificate expired on ")
    assert certificates(service) == before
    assert service.metrics()[EXPIRY] == expires_at
    assert service.verify(service.sandbox["id"], service.otp()).status == "OK"
    authority.issue(folder, days=60)
    hang_up(service)
    service.wait_until(lambda: not service.metrics()[REFUSED])


@pytest.mark.parametrize("harm", ["cut short", "gone", "half renewed"])
def test_a_worker_that_dies_while_bad_files_lie_there_has_a_successor(
    keystead: KeysteadProcess, authority: Authority, tmp_path: Path, harm: str
) -> None:
    """It shows what the control process found good last, which is nowhere on the disk any more."""
    keystead.trusted = authority.client()
    keystead.init("--sandbox")
    folder = tmp_path / "tls"
    files = authority.issue(folder)
    keystead.start(workers=2, options=options(files))
    before, workers = certificates(keystead), keystead.worker_pids()
    if harm == "cut short":
        os.truncate(files.certificate, 100)
    elif harm == "gone":
        files.key.unlink()
    else:
        authority.issue(tmp_path / "other").certificate.replace(files.certificate)
    for pid in workers.values():
        os.kill(pid, signal.SIGKILL)
    keystead.wait_until(lambda: not set(workers.values()) & set(keystead.worker_pids().values()))
    assert certificates(keystead) == before
    assert keystead.verify(keystead.sandbox["id"], keystead.otp()).status == "OK"
    authority.issue(folder)
    hang_up(keystead)
    keystead.wait_until(lambda: certificates(keystead).isdisjoint(before))
    assert keystead.metrics()["keystead_worker_restarts"] == 2


def test_what_speaks_no_tls_gets_no_answer(service: KeysteadProcess) -> None:
    with socket.create_connection(address(service), 10.0) as bare:
        bare.sendall(b"GET /wsapi/2.0/verify HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not bare.recv(65536).startswith(b"HTTP")


def test_s18_a_client_that_stops_in_its_handshake_is_cut_off(
    keystead: KeysteadProcess, authority: Authority, tmp_path: Path
) -> None:
    keystead.init()
    keystead.configure("[http]\nhandshake_seconds = 0.5\n")
    keystead.start(workers=2, options=options(authority.issue(tmp_path / "tls")))
    with socket.create_connection(address(keystead), 30.0) as bare:
        bare.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert bare.recv(1) == b""
    name = 'keystead_http_rejected_total{reason="slow_handshake"}'
    keystead.wait_until(lambda: keystead.metrics()[name] == 1)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("expired", "the certificate expired on"),
        ("open", "others may read this private key"),
        ("absent", "there is no such file"),
        ("half", "a certificate and its key belong together"),
    ],
)
def test_files_that_are_no_good_are_refused_at_the_start(
    keystead: KeysteadProcess,
    authority: Authority,
    tmp_path: Path,
    harm: str,
    said: str,
) -> None:
    keystead.init()
    is_expired = harm == "expired"
    files = authority.issue(tmp_path / "tls", days=-1 if is_expired else 9, began=9)
    given = options(files)
    if harm == "open":
        files.key.chmod(0o644)
    if harm == "absent":
        files.certificate.unlink()
    if harm == "half":
        given = given[:2]
    keystead.launch(workers=2, options=given)
    assert keystead.wait() == 1
    assert said in keystead.log_text()
    assert "Traceback" not in keystead.log_text()


def test_the_doctor_tells_how_long_the_certificate_is_good(
    keystead: KeysteadProcess, authority: Authority, tmp_path: Path
) -> None:
    def finding() -> tuple[str, str]:
        ended = keystead.run("doctor", "--json")
        (tls,) = (each for each in ended.value if each["check"] == "TLS")
        return tls["grade"], tls["found"] + tls["advice"]

    keystead.init()
    assert finding() == ("ok", "not configured: clients are served plain HTTP")
    files = authority.issue(tmp_path / "tls", "otp.example.org", days=60)
    keystead.configure(f'[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n')
    grade, text = finding()
    assert grade == "ok"
    assert "(59 days), for otp.example.org" in text
    authority.issue(tmp_path / "tls", days=9)
    assert finding()[0] == "warn"
    authority.issue(tmp_path / "tls", days=-1, began=9)
    grade, text = finding()
    assert grade == "fail"
    assert "expired on" in text


def test_s18_mutual_tls_turns_strangers_away(
    keystead: KeysteadProcess, authority: Authority, tmp_path: Path
) -> None:
    keystead.init("--sandbox")
    files = authority.issue(tmp_path / "tls")
    authority.write(tmp_path / "clients.pem")
    keystead.configure(f'[tls]\nclient_ca = "{tmp_path}/clients.pem"\n')
    keystead.trusted = authority.client()
    keystead.start(options=options(files))
    with pytest.raises((ssl.SSLError, OSError)):
        keystead.verify(keystead.sandbox["id"], keystead.otp())
    authority.ca.issue_cert("party@example.org").configure_cert(keystead.trusted)
    assert keystead.verify(keystead.sandbox["id"], keystead.otp()).status == "OK"
