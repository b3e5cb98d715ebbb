"""Enrolment and delivery, to a real server over HTTP and HTTPS."""

import os
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from agent.composing import Host, reports_of
from agent.courier import Courier
from agent.enrolment import EnrolmentError, begin, enrol, read_token
from agent.http_client import UnreachableError
from agent.identity import Identity, IdentityError, load
from agent.policy import Serials
from agent.report import Report
from agent.store import Store
from tests.agent.closing import client, opened
from tests.agent.fleet_server import FleetServer, Refusal
from tests.certificates import Authority
from tests.system_programs import require_program

TOKEN = "a token"


@pytest.fixture
def server() -> Iterator[FleetServer]:
    with FleetServer() as started:
        started.tokens["a token"] = "laptop"
        yield started


def enrolled(directory: Path, url: str, ca_file: str = "", token: str = TOKEN) -> Identity:
    identity = begin(directory, url, "laptop", ca_file)
    return enrol(directory, identity, client(url, ca_file), token, system="linux", agent="0.1.0")


def put(store: Store, identity: Identity, count: int = 1) -> None:
    host = Host(identity.host, "0.1.0", "linux", "Debian", {})

    def make(sequence: int, dropped: int) -> list[Report]:
        return reports_of(
            host,
            [],
            day=date(2026, 11, 27),
            next_sequence=sequence,
            dropped=dropped,
            new_id=lambda: os.urandom(16).hex(),
        )

    for _ in range(count):
        store.put(make, {})


def courier(identity: Identity, store: Store, url: str, ca_file: str = "") -> Courier:
    dice = random.Random(1)  # noqa: S311 - jitter
    return Courier(identity, client(url, ca_file), store, dice)


def test_a_host_enrols_once_with_its_token_and_takes_the_policy(
    tmp_path: Path, server: FleetServer
) -> None:
    identity = enrolled(tmp_path, server.url)
    assert load(tmp_path) == identity
    assert identity.enrolled
    assert identity.policy.serial is Serials.HASH
    assert identity.policy.serial_key is not None
    assert (tmp_path / "identity.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(EnrolmentError, match="bad-token"):
        enrolled(tmp_path / "other", server.url)


def test_an_enrolment_whose_answer_was_lost_is_the_same_one_again(
    tmp_path: Path, server: FleetServer
) -> None:
    server.fault = lambda: True
    with pytest.raises(EnrolmentError, match="same token"):
        enrolled(tmp_path, server.url)
    assert load(tmp_path) is None
    server.fault = lambda: False
    enrolled(tmp_path, server.url)
    assert len(server.hosts) == 1


def test_a_refused_enrolment_leaves_the_one_that_stands(
    tmp_path: Path, server: FleetServer
) -> None:
    identity = enrolled(tmp_path, server.url)
    with pytest.raises(EnrolmentError):
        enrolled(tmp_path, server.url, token="another")
    assert load(tmp_path) == identity


def test_a_token_is_for_the_host_that_it_names(tmp_path: Path, server: FleetServer) -> None:
    server.tokens["a token"] = "another laptop"
    with pytest.raises(EnrolmentError, match="bad-token"):
        enrolled(tmp_path, server.url)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"a" * 2000, b"two\nlines"])
def test_a_file_that_holds_no_token_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(EnrolmentError, match="no token"):
        read_token(tmp_path / "token")


def test_a_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token\n")
    assert read_token(tmp_path / "token") == "a token"


def test_an_identity_shows_no_secret_and_a_damaged_one_is_said(
    tmp_path: Path, server: FleetServer
) -> None:
    identity = enrolled(tmp_path, server.url)
    assert repr(identity.secret) not in repr(identity)
    (tmp_path / "identity.json").write_text("{}")
    with pytest.raises(IdentityError, match="damaged"):
        load(tmp_path)


def test_reports_arrive_in_their_order_and_are_deleted(tmp_path: Path, server: FleetServer) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity, 5)
    trip = courier(identity, store, server.url).carry()
    assert (trip.delivered, trip.wait_s, store.count()) == (5, None, 0)
    assert [one.sequence for one in server.reports] == [1, 2, 3, 4, 5]


def test_a_report_whose_answer_was_lost_is_counted_once(
    tmp_path: Path, server: FleetServer
) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity, 3)
    lose = iter([True, False, True, False])
    server.fault = lambda: next(lose, False)
    carrier = courier(identity, store, server.url)
    while store.count():
        carrier.carry()
    assert [one.sequence for one in server.reports] == [1, 2, 3]
    assert server.requests > 3


def test_a_server_that_is_away_costs_nothing(tmp_path: Path, server: FleetServer) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity, 2)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        trip = courier(identity, store, url).carry()
    assert trip.wait_s is not None
    assert store.count() == 2
    assert "did not answer" in store.note("problem")


def refuse(server: FleetServer, status: int, code: str, **headers: str) -> None:
    def fault() -> bool:
        raise Refusal(status, code, **headers)

    server.fault = fault


def test_a_report_that_is_never_taken_is_given_up_and_counted(
    tmp_path: Path, server: FleetServer
) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity, 2)
    refuse(server, 422, "unknown-format")
    courier(identity, store, server.url).carry()
    assert (store.count(), store.note("refused")) == (0, "2")
    assert "unknown-format" in store.note("problem")


@pytest.mark.parametrize(
    ("status", "code", "least"),
    [(401, "bad-signature", 3600.0), (410, "erased", 3600.0), (409, "sequence-taken", 3600.0)],
)
def test_a_host_that_is_not_known_any_more_keeps_its_reports_and_waits(
    tmp_path: Path, server: FleetServer, status: int, code: str, least: float
) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity, 2)
    refuse(server, status, code)
    trip = courier(identity, store, server.url).carry()
    assert trip.wait_s == least
    assert store.count() == 2
    assert "enrol it anew" in store.note("problem")


def test_a_server_that_says_when_is_not_asked_before(tmp_path: Path, server: FleetServer) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity)
    refuse(server, 503, "", Retry_After="700")
    assert courier(identity, store, server.url).carry().wait_s == 700.0


def test_a_wrong_signature_is_refused(tmp_path: Path, server: FleetServer) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity)
    stranger = Identity.fresh(server.url, "laptop", "")
    forged = Identity(**{**vars(stranger), "host": identity.host})
    trip = courier(forged, store, server.url).carry()
    assert "bad-signature" in trip.problem
    assert server.reports == []


def test_a_new_policy_comes_with_an_answer(tmp_path: Path, server: FleetServer) -> None:
    identity, store = enrolled(tmp_path, server.url), opened(tmp_path)
    put(store, identity)
    server.new_policy = {"serial": "plain"}
    assert courier(identity, store, server.url).carry().policy == {"serial": "plain"}


def test_https_goes_to_a_server_whose_certificate_is_trusted_and_no_other(tmp_path: Path) -> None:
    authority, stranger = Authority(), Authority()
    files = authority.issue(tmp_path / "tls")
    trusted = str(authority.write(tmp_path / "ca.pem"))
    other = str(stranger.write(tmp_path / "other.pem"))
    with FleetServer(files.certificate, files.key) as server:
        server.tokens["a token"] = "laptop"
        with pytest.raises(EnrolmentError, match="certificate"):
            enrolled(tmp_path / "no", server.url, other)
        identity = enrolled(tmp_path / "yes", server.url, trusted)
        store = opened(tmp_path / "yes")
        put(store, identity)
        assert courier(identity, store, server.url, trusted).carry().delivered == 1


def test_https_finds_the_systems_certificates_by_their_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openssl = require_program("openssl", package="openssl")
    authority = Authority()
    files = authority.issue(tmp_path / "tls")
    system = tmp_path / "certs"
    system.mkdir()
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(system))
    with FleetServer(files.certificate, files.key) as server:
        server.tokens["a token"] = "laptop"
        written = authority.write(system / "ca.pem")
        asked = [openssl, "x509", "-in", str(written), "-noout", "-hash"]
        name = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        (system / "0a1b2c3d.0").symlink_to(files.certificate)
        with pytest.raises(EnrolmentError, match="certificate"):
            enrolled(tmp_path / "no", server.url)
        (system / f"{name}.0").symlink_to(written)
        enrolled(tmp_path / "yes", server.url)


def answering(octets: bytes) -> tuple[str, threading.Thread]:
    """Start something that answers one request with these octets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(octets)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 999999 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nothing", "garbage", "status", "long", "short", "chunks"],
)
def test_an_answer_that_is_none_is_no_answer(octets: bytes) -> None:
    url, thread = answering(octets)
    asking = client(url)
    with pytest.raises(UnreachableError):
        asking.post("/", b"{}", {})
    thread.join(5)


def test_an_answer_that_is_not_json_means_what_its_status_says() -> None:
    url, thread = answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>")
    answer = client(url).post("/", b"{}", {})
    thread.join(5)
    assert (answer.status, answer.code, dict(answer.value)) == (502, "", {})
