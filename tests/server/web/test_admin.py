"""The admin door itself: who gets in, and how refusals, outages and faults are told."""

import os
import socket
import struct
from pathlib import Path

import pytest
import structlog

from hsm.vault import VaultUnavailableError
from server.otp.ports import StoreUnavailableError, UnknownOutcomeError
from server.web.peer import parse_ucred, parse_xucred, peer_uid
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.conftest import OpenDoor
from tests.server.web.office import DEFAULT, Office, office_app, open_office
from tests.server.web.peer import Peer, get


async def test_the_services_own_user_gets_in(office: Office) -> None:
    status = await office.call("GET", "/status")
    assert (status.status, status.json["version"]) == (200, "0.1.0")


@pytest.mark.parametrize("uid", [os.geteuid() + 1, 65534, None])
async def test_anybody_else_is_refused_everywhere(tmp_path: Path, uid: int | None) -> None:
    office = await open_office(tmp_path, identify=lambda _: uid)
    with structlog.testing.capture_logs() as lines:
        for method, path in (("GET", "/status"), ("POST", "/clients"), ("GET", "/nowhere")):
            refused = await office.call(method, path)
            assert (refused.status, refused.json["title"]) == (403, "Forbidden")
    assert [(line["event"], line["uid"]) for line in lines] == [("administration_denied", uid)] * 3
    await office.serving.stop()


async def test_root_gets_in(tmp_path: Path) -> None:
    office = await open_office(tmp_path, identify=lambda _: 0)
    assert (await office.call("GET", "/status")).status == 200
    await office.serving.stop()


async def test_over_tcp_nobody_gets_in(open_door: OpenDoor, tmp_path: Path) -> None:
    clock = StillClock()
    store = MemoryStore(clock=clock, default_policy=DEFAULT)
    door = await open_door(office_app(store, clock, tmp_path / "imports"))
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/api/v1/clients"))).status == 403


def test_the_kernels_structures_are_read_as_they_are_laid_out() -> None:
    assert parse_ucred(struct.pack("=iII", 4321, 501, 20)) == 501
    xucred = struct.pack("=IIhxx16I", 0, 501, 1, 20, *[0] * 15)
    assert len(xucred) == 76
    assert parse_xucred(xucred) == 501
    assert parse_xucred(struct.pack("=IIhxx16I", 1, 501, 1, 20, *[0] * 15)) is None
    assert parse_xucred(b"") is None


def test_a_connection_that_is_gone_has_no_user() -> None:
    assert peer_uid(None) is None
    one, other = socket.socketpair()
    other.close()

    class Transport:
        def get_extra_info(self, _: str) -> socket.socket:
            return one

    one.close()
    assert peer_uid(Transport()) is None  # type: ignore[arg-type] # all that is asked of one


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/clients/one", 404),
        ("GET", "/clients/-1", 404),
        ("PUT", "/clients", 405),
        ("HEAD", "/clients", 405),
        ("DELETE", "/clients/1", 405),
        ("POST", "/status", 405),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    office: Office, method: str, path: str, status: int
) -> None:
    answer = await office.call(method, path)
    assert answer.status == status
    assert answer.reply.header("Content-Type") == "application/problem+json"
    assert (answer.reply.all("Allow") != []) == (status == 405)
    if answer.json is not None:
        assert set(answer.json) == {"type", "title", "status", "detail"}
        assert answer.json["type"] == "about:blank"


@pytest.mark.parametrize(
    ("raw", "content_type", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff", "application/json", 422),
        (b'{"name": "x"}', "text/plain", 415),
        (b'{"name": "x"}', "application/x-www-form-urlencoded", 415),
        (b'{"name": "' + b"x" * 100_000 + b'"}', "application/json", 413),
        (b"[" * 5000, "application/json", 422),
    ],
)
async def test_a_body_that_is_none_is_refused(
    office: Office, raw: bytes, content_type: str, status: int
) -> None:
    answer = await office.call("POST", "/clients", raw=raw, content_type=content_type)
    assert (answer.status, answer.json["status"]) == (status, status)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (StoreUnavailableError("db.internal"), "nothing was changed"),
        (UnknownOutcomeError("db.internal"), "not known"),
        (VaultUnavailableError("db.internal"), "the vault"),
    ],
)
async def test_an_outage_is_503_and_says_what_became_of_the_change(
    office: Office, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(office.store, "set_client_active", fails)
    with structlog.testing.capture_logs() as lines:
        answer = await office.call("POST", "/clients/1/disable")
    assert answer.status == 503
    assert words in answer.json["detail"]
    assert "db.internal" not in str(answer.json)
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("administration_failed", "error")


async def test_s10_an_unforeseen_fault_is_500_with_an_id_that_is_in_the_log(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise ValueError("canary")

    monkeypatch.setattr(office.store, "client_details", fails)
    with structlog.testing.capture_logs() as lines:
        answer = await office.call("GET", "/clients/1")
    assert answer.status == 500
    (line,) = lines
    assert line["request_id"] in answer.json["detail"]
    assert line["exception"] == ["builtins.ValueError"]
    assert "canary" not in f"{lines} {answer}"
