"""A server, or who answers in its place, that wants to hold the agent up or steer a terminal."""

import contextlib
import itertools
import socket
import threading
from pathlib import Path

import pytest

from agent.http_client import HttpAnswer, UnreachableError
from agent.identity import Identity
from agent.measured import MeasuredSocket, TooLongError
from agent.proofs_due import Due
from agent.prover import Proved
from agent.shown import shown
from tests.agent.agent_process import AgentProcess
from tests.agent.closing import client
from tests.agent.fleet_server import FleetServer, Refusal
from tests.agent.recorded_card import RecordedCard
from tests.agent.simulated import SimulatedAgent

STEERING = "\x1b]0;owned\x07\x1b[2J\r\nINFO all is well\u202e"


def answering(*pieces: bytes) -> tuple[str, threading.Thread]:
    """Start something that answers one request with these, as long as somebody listens."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


INTERIM = b"HTTP/1.1 100 Continue\r\n"
HEAD = b"HTTP/1.1 202 Accepted\r\n"


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", INTERIM + b"\r\n"),
        (b"", INTERIM + b"A: " + b"a" * 60_000 + b"\r\n\r\n"),
        (HEAD, b"A: b\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"\r\n", b" " * 1000),
    ],
    ids=["interim answers", "long interim answers", "headers", "chunks", "blanks"],
)
def test_an_answer_without_an_end_is_read_no_further_than_any_that_means_something(
    first: bytes, piece: bytes
) -> None:
    pieces = [first, *[piece] * 20_000]
    url, thread = answering(*pieces)
    asking = client(url)
    with pytest.raises(UnreachableError):
        asking.post("/", b"{}", {})
    asking.close()
    thread.join(10)
    assert not thread.is_alive()


def test_an_answer_that_comes_by_driblets_is_waited_for_no_longer_than_one_that_comes() -> None:
    near, far = socket.socketpair()
    with near, far:
        clock = itertools.count(0.0, 25.0)
        measured = MeasuredSocket(near, lambda: next(clock))
        measured.begin(60.0, 1000)
        with measured.makefile("rb") as file:
            far.sendall(b"H")
            assert file.read1(1) == b"H"
            far.sendall(b"T")
            assert file.read1(1) == b"T"
            far.sendall(b"T")
            with pytest.raises(TimeoutError):
                file.read1(1)


def test_what_is_read_is_counted_whatever_it_is() -> None:
    near, far = socket.socketpair()
    with near, far:
        measured = MeasuredSocket(near, lambda: 0.0)
        measured.begin(60.0, 10)
        far.sendall(b"eleven octets"[:11])
        with measured.makefile("rb") as file, pytest.raises(TooLongError):
            file.readline()


def test_what_a_server_says_is_shown_without_what_steers_a_terminal() -> None:
    answer = HttpAnswer(403, None, {"code": STEERING, "detail": STEERING * 100})
    assert answer.code == ""
    assert answer.detail.isprintable()
    assert len(answer.detail) <= 500
    assert HttpAnswer(403, None, {"code": "bad-token"}).code == "bad-token"
    assert shown("plain, and \N{KEY}") == "plain, and \N{KEY}"


def test_a_line_that_is_no_status_is_shown_without_what_steers_a_terminal() -> None:
    url, thread = answering(STEERING.encode() + b"\r\n\r\n")
    asking = client(url)
    with pytest.raises(UnreachableError) as refused:
        asking.post("/", b"{}", {})
    thread.join(10)
    assert str(refused.value).isprintable()


def test_a_person_sees_nothing_that_steers_a_terminal(tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path / "agent")

    def refuse() -> bool:
        raise Refusal(403, STEERING)

    with FleetServer() as server:
        server.tokens["a-token"] = "laptop"
        agent.enrol(server.url, "a-token", "--host-name", "laptop")
        server.fault = refuse
        told = agent.command("once", "--send")
        status = agent.command("status")
    said = told.stdout + told.stderr + status.stdout
    assert told.returncode == 1
    assert "wait" in told.stderr
    assert "".join(said.split("\n")).isprintable()


@pytest.mark.parametrize("proved", [Proved(STEERING, ""), Proved("", STEERING)])
def test_what_is_said_of_a_proof_is_kept_without_what_steers_a_terminal(
    tmp_path: Path, proved: Proved, caplog: pytest.LogCaptureFixture
) -> None:
    identity = Identity.fresh("http://127.0.0.1:1", "laptop", "")
    agent = SimulatedAgent(tmp_path, identity, identity.server, RecordedCard({}))
    agent.agent._proving = (STEERING, Due(0, 0.0, 0))
    agent.agent._on_proved(STEERING, proved)
    agent.close()
    kept = agent.store.note("proved") + agent.store.note("proof_problem")
    assert "owned" in kept
    assert kept.isprintable()
    assert all(one.getMessage().isprintable() for one in caplog.records)
