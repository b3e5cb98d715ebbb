"""The HTTP backend against connectors that behave, misbehave, close early and hang."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hsm.device.errors import Outage
from hsm.device.http_backend import Endpoint, HttpBackend
from hsm.device.http_reply import Reply
from hsm.device.line import LineError
from hsm.emulator.core import Emulator
from tests.hsm.device.connectors import Connection, real_connector, scripted_connector

_ECHO = b"\x01\x00\x02hi"
_ECHOED = b"\x81\x00\x02hi"


def _answering(body: bytes = _ECHOED, *, keeps: bool = True) -> Callable[[Connection], None]:
    def part(connection: Connection) -> None:
        assert connection.hear() == _ECHO
        connection.say(Reply(body, keeps).encode())

    return part


def _saying(octets: bytes) -> Callable[[Connection], None]:
    def part(connection: Connection) -> None:
        connection.hear()
        connection.say(octets)
        connection.wait_until_they_hang_up()

    return part


def _backend(port: int, deadline_s: float = 10) -> HttpBackend:
    return HttpBackend(Endpoint("127.0.0.1", port), deadline_s)


def test_it_speaks_with_the_real_front_over_tcp() -> None:
    with real_connector(Emulator().transceive) as connector:
        backend = _backend(int(connector.url.rpartition(":")[2]))
        for _ in range(3):
            assert backend.transceive(_ECHO) == _ECHOED
        backend.close()


def test_it_speaks_with_the_real_front_over_a_unix_socket() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too long for a socket
        path = Path(folder) / "hsm.sock"
        with real_connector(Emulator().transceive, path):
            backend = HttpBackend(Endpoint(str(path), 0))
            assert backend.transceive(_ECHO) == _ECHOED
            backend.close()


def test_the_longest_message_comes_and_goes() -> None:
    with real_connector(Emulator().transceive) as connector:
        backend = _backend(int(connector.url.rpartition(":")[2]))
        content = bytes(3000)
        assert backend.transceive(b"\x01\x0b\xb8" + content) == b"\x81\x0b\xb8" + content
        backend.close()


def test_a_connection_closed_while_idle_is_made_anew_and_nothing_is_sent_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hsm.device.http_backend._IDLE_S", -1.0)  # idle at once
    with scripted_connector(_answering(), _answering(keeps=False), _answering()) as (port, faults):
        backend = _backend(port)
        assert [_settled(backend) for _ in range(3)] == [_ECHOED] * 3
        backend.close()
    assert not faults


def test_an_idle_connection_that_stands_is_used_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hsm.device.http_backend._IDLE_S", -1.0)  # idle at once

    def thrice(connection: Connection) -> None:
        for _ in range(3):
            _answering()(connection)

    with scripted_connector(thrice) as (port, faults):
        backend = _backend(port)
        made = None
        for _ in range(3):
            assert backend.transceive(_ECHO) == _ECHOED
            assert made in {None, backend._socket}
            made = backend._socket
        backend.close()
    assert not faults


def _settled(backend: HttpBackend) -> bytes:
    """Ask, then wait until the other side's close has arrived."""
    answer = backend.transceive(_ECHO)
    if backend._socket is not None:
        import select  # noqa: PLC0415 - only here

        select.select([backend._socket], [], [], 10)
    return answer


def test_a_lost_reply_is_never_asked_for_again() -> None:
    def lose(connection: Connection) -> None:
        connection.hear()

    with scripted_connector(lose) as (port, faults):
        with pytest.raises(LineError) as caught:
            _backend(port).transceive(_ECHO)
        assert (caught.value.outage, caught.value.sent) == (Outage.LOST, True)
    assert not faults


def test_a_connector_that_is_not_there_got_nothing() -> None:
    with scripted_connector() as (port, _):
        pass
    with pytest.raises(LineError) as caught:
        _backend(port).transceive(_ECHO)
    assert (caught.value.outage, caught.value.sent) == (Outage.UNREACHABLE, False)


def test_a_connector_that_hangs_is_given_up() -> None:
    with scripted_connector(_saying(b"")) as (port, _):
        with pytest.raises(LineError) as caught:
            _backend(port, 0.05).transceive(_ECHO)
        assert caught.value.outage is Outage.SILENT


def test_one_octet_at_a_time_buys_no_time() -> None:
    def trickle(connection: Connection) -> None:
        connection.hear()
        with contextlib.suppress(OSError):  # reset, or a broken pipe
            while True:
                connection.say(b"H")

    with scripted_connector(trickle) as (port, faults):
        with pytest.raises(LineError) as caught:
            _backend(port, 0.2).transceive(_ECHO)
        assert caught.value.outage in {Outage.SILENT, Outage.NONSENSE}
    assert not faults


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x81\x00\x02hi" * 10 + b"\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x81\x00\x02hi and more",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
        b"H" * 30_000,
    ],
)
def test_what_is_no_reply_is_nonsense(nonsense: bytes) -> None:
    with scripted_connector(_saying(nonsense)) as (port, _):
        with pytest.raises(LineError) as caught:
            _backend(port).transceive(_ECHO)
        assert (caught.value.outage, caught.value.sent) == (Outage.NONSENSE, True)


def test_a_connector_without_its_device_says_so() -> None:
    reply = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"
    with scripted_connector(_saying(reply)) as (port, _):
        with pytest.raises(LineError) as caught:
            _backend(port).transceive(_ECHO)
        assert caught.value.outage is Outage.NO_DEVICE


def test_a_reply_in_pieces_is_put_together() -> None:
    def slowly(connection: Connection) -> None:
        connection.hear()
        for octet in Reply(_ECHOED, keeps=True).encode():
            connection.say(bytes([octet]))

    with scripted_connector(slowly) as (port, faults):
        backend = _backend(port)
        assert backend.transceive(_ECHO) == _ECHOED
        backend.close()
    assert not faults


def test_after_any_failure_the_next_answer_is_the_next_commands_own() -> None:
    with scripted_connector(_saying(b""), _answering()) as (port, faults):
        backend = _backend(port, 0.05)
        with pytest.raises(LineError):
            backend.transceive(_ECHO)
        backend._deadline_s = 10
        assert backend.transceive(_ECHO) == _ECHOED
        backend.close()
    assert not faults
