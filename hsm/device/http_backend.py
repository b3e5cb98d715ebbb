"""A backend for the library over a connector's HTTP: one kept connection, one deadline per command.

The library's own costs 0.6 ms of `requests` a command and waits up to ten minutes. This one waits
in the socket. A connection that the connector closed while it was idle is made anew: nothing was
on the way. When a connection fails after something was sent, nobody knows what became of it:
that is never asked again here, the owner of the session has to begin a new one.
"""

import contextlib
import socket
import time
from typing import NamedTuple

from yubihsm.backends import YhsmBackend

from hsm.device.errors import Outage
from hsm.device.http_reply import LARGEST, Reply, ReplyError, StatusError
from hsm.device.line import DEADLINE_S, LineError

_RECEIVE = 16_384
_IDLE_S = 0.05
"""After so long a silence it is looked whether the connection still stands."""
_SERVER_ERRORS = 500
"""A connector answers so when it cannot reach its device."""
_PATH = "/connector/api"


class Endpoint(NamedTuple):
    """Where a connector listens: a TCP address, or the path of a Unix socket (port 0)."""

    host: str
    port: int

    def connect(self, deadline_s: float) -> socket.socket:
        """Return a connected socket with that deadline. Raises OSError."""
        if self.port:
            made = socket.create_connection((self.host, self.port), deadline_s)
            # A command is one small segment, and its answer is waited for.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(deadline_s)
            made.connect(self.host)
        except BaseException:
            made.close()
            raise
        return made

    def name(self) -> str:
        """Return what the Host field says; the connector may have a list of those it allows."""
        if not self.port:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class HttpBackend(YhsmBackend):
    """Speaks to a connector. Not for several threads. Connects with the first message."""

    def __init__(self, endpoint: Endpoint, deadline_s: float = DEADLINE_S) -> None:
        self._endpoint = endpoint
        self._deadline_s = deadline_s
        self._socket: socket.socket | None = None
        self._used_at = 0.0
        self._head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: {endpoint.name()}\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: "
        ).encode()

    def __repr__(self) -> str:
        return f"HttpBackend({self._endpoint.name()})"

    def transceive(self, msg: bytes) -> bytes:
        """Send a message and return the answer, within the deadline. Raises LineError."""
        begun = time.monotonic()
        connection = self._socket
        if connection is None or (begun - self._used_at > _IDLE_S and _is_over(connection)):
            connection = self._connect()
        try:
            connection.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(msg), msg))
            reply = self._receive(connection, begun)
        except TimeoutError:
            self.close()
            raise LineError(Outage.SILENT, sent=True) from None
        except StatusError as error:
            self.close()
            failed = error.status >= _SERVER_ERRORS
            raise LineError(Outage.NO_DEVICE if failed else Outage.NONSENSE, sent=True) from None
        except ReplyError:
            self.close()
            raise LineError(Outage.NONSENSE, sent=True) from None
        except OSError:
            self.close()
            raise LineError(Outage.LOST, sent=True) from None
        except BaseException:
            # Interrupted in between: the answer would be taken for that of the next command.
            self.close()
            raise
        if reply.keeps:
            self._used_at = time.monotonic()
        else:
            self.close()
        return reply.body

    def close(self) -> None:
        """Close the connection; the next message makes another."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _connect(self) -> socket.socket:
        self.close()
        try:
            self._socket = self._endpoint.connect(self._deadline_s)
        except OSError:
            raise LineError(Outage.UNREACHABLE, sent=False) from None
        return self._socket

    def _receive(self, connection: socket.socket, begun: float) -> Reply:
        """Read one reply. Raises TimeoutError, OSError and ReplyError."""
        received = connection.recv(_RECEIVE)
        reply = Reply.parse(received)
        if reply is not None:
            return reply
        try:
            while reply is None:
                left_s = begun + self._deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError  # who sends one octet at a time does not get more time
                connection.settimeout(left_s)
                more = connection.recv(_RECEIVE)
                if not more:
                    raise ConnectionError
                received += more
                if len(received) > LARGEST:
                    raise ReplyError("it does not end")
                reply = Reply.parse(received)
        finally:
            with contextlib.suppress(OSError):
                connection.settimeout(self._deadline_s)
        return reply


def _is_over(connection: socket.socket) -> bool:
    """Tell at once whether an idle connection was closed, or said something unasked."""
    deadline_s = connection.gettimeout()
    try:
        # With a deadline Python would first wait that long for something to come.
        connection.setblocking(False)
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(deadline_s)
    return True
