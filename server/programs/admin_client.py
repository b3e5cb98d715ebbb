"""A client of the admin API, here on its Unix socket: blocking, small, quick to import."""

import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from server.programs.exits import CommandError, Exit
from server.programs.unix_sockets import connect_unix

ANSWER_WITHIN_S = 30.0
IMPORT_WITHIN_S = 900.0

PIECES = "application/x-keystead-import"
"""The media type of an import's body: files in pieces (`server.web.admin_moving`)."""

_NOT_FOUND = 404
_PAGE = 500
_PIECE = 1 << 16


class RefusedError(CommandError):
    """A refusal that says more than its sentence. value: the problem as it came."""

    def __init__(self, message: str, code: Exit, value: object) -> None:
        super().__init__(message, code)
        self.value = value


def because(path: str, reason: str) -> str:
    """Return the path of a change with the reason for it ("": none is given)."""
    if not reason:
        return path
    return f"{path}{'&' if '?' in path else '?'}reason={quote(reason, safe='')}"


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection whose socket is already connected."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__("localhost")
        self.sock = connected


class AdminClient:
    """Calls on the admin API; every refusal is a CommandError with the door's own words."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path

    def answers(self) -> bool:
        """Whether somebody listens on the socket at all."""
        try:
            connect_unix(self._path, 5.0).close()
        except OSError:
            return False
        return True

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """GET a path below /api/v1."""
        return self.call("GET", path)

    def pages(self, name: str, /, below: str = "", **query: str) -> list[dict[str, Any]]:
        """Return all of a collection below /api/v1. name: "keys", "clients", ...

        below: what its path begins with, as "fleet/"; query: more parameters than the page's.
        """
        return list(self.walk(name, below, **query))

    def walk(self, name: str, /, below: str = "", **query: str) -> Iterator[dict[str, Any]]:
        """Yield all of a collection as `pages` returns it, one page in memory."""
        first = f"/{below}{name}?{urlencode({'limit': _PAGE, **query})}"
        path: str | None = first
        while path is not None:
            page = self.get(path)
            yield from page[name]
            after = page["next"]
            path = None if after is None else f"{first}&after={after}"

    def post(self, path: str, value: object = None) -> Any:  # noqa: ANN401 - JSON
        """POST a JSON value."""
        return self.call("POST", path, value)

    def post_patiently(self, path: str, value: object) -> Any:  # noqa: ANN401 - JSON
        """POST a JSON value, and wait as long as an import may take."""
        headers = {"Content-Type": "application/json"}
        return self._exchange("POST", path, json.dumps(value).encode(), headers, IMPORT_WITHIN_S)

    def post_briefly(self, path: str, value: object, within_s: float) -> Any:  # noqa: ANN401 - JSON
        """POST a JSON value, and wait no longer than that for the answer."""
        headers = {"Content-Type": "application/json"}
        return self._exchange("POST", path, json.dumps(value).encode(), headers, within_s)

    def call(self, method: str, path: str, value: object = None) -> Any:  # noqa: ANN401 - JSON
        """Make one call with a JSON body (None: without a body)."""
        body = None if value is None else json.dumps(value).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self._exchange(method, path, body, headers, ANSWER_WITHIN_S)

    def upload(self, path: str, text: bytes, media: str = "text/csv; charset=utf-8") -> Any:  # noqa: ANN401 - JSON
        """POST a text file. RefusedError: what the door says is wrong with it."""
        headers = {"Content-Type": media}
        return self._exchange("POST", path, text, headers, IMPORT_WITHIN_S)

    def upload_json(self, path: str, text: bytes) -> Any:  # noqa: ANN401 - JSON
        """POST a file of JSON, octet for octet."""
        headers = {"Content-Type": "application/json"}
        return self._exchange("POST", path, text, headers, IMPORT_WITHIN_S)

    def stream(self, path: str, pieces: Iterable[bytes]) -> Iterator[Any]:
        """POST a body in pieces; yield the lines of JSON that come back, each when it comes."""
        connection = self._connect(IMPORT_WITHIN_S)
        with closing(connection), _cut_off_is_told():
            answer = _send_pieces(connection, f"/api/v1{path}", pieces, self._credentials())
            if answer.status >= http.client.BAD_REQUEST:
                value = _json(answer.read())
                raise RefusedError(_problem(answer.status, value), _code(answer.status), value)
            while line := answer.readline():
                yield json.loads(line)

    def download(self, path: str) -> Iterator[bytes]:
        """GET a file in pieces; CommandError when its end does not come."""
        connection = self._connect(IMPORT_WITHIN_S)
        with closing(connection), _cut_off_is_told():
            connection.request("GET", f"/api/v1{path}", headers=self._credentials())
            answer = connection.getresponse()
            if answer.status >= http.client.BAD_REQUEST:
                raise CommandError(_problem(answer.status, _json(answer.read())))
            while piece := answer.read(_PIECE):
                yield piece

    def _connect(self, within_s: float) -> http.client.HTTPConnection:
        """Return a connection that is open; CommandError."""
        try:
            return _UnixConnection(connect_unix(self._path, within_s))
        except OSError as error:
            raise CommandError(
                f"the service does not answer on {self._path} ({error.strerror or error})",
                Exit.UNREACHABLE,
            ) from error

    def _credentials(self) -> dict[str, str]:
        """Return the header fields that say who asks: none, where the kernel says it."""
        return {}

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], within_s: float
    ) -> Any:  # noqa: ANN401 - JSON
        connection = self._connect(within_s)
        with closing(connection), _cut_off_is_told():
            connection.request(
                method, f"/api/v1{path}", body=body, headers={**headers, **self._credentials()}
            )
            answer = connection.getresponse()
            text = answer.read()
        value = _json(text)
        if answer.status >= http.client.BAD_REQUEST:
            raise RefusedError(_problem(answer.status, value), _code(answer.status), value)
        return value


@contextmanager
def _cut_off_is_told() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(
            "the service ended while it was asked. Whether the change was made is not"
            " known: look, and repeat it if not",
            Exit.UNREACHABLE,
        ) from error


def _send_pieces(
    connection: http.client.HTTPConnection,
    path: str,
    pieces: Iterable[bytes],
    headers: Mapping[str, str],
) -> http.client.HTTPResponse:
    """Send a chunked body; a refusal that comes before its end is an answer too."""
    connection.putrequest("POST", path)
    for name, value in {**headers, "Content-Type": PIECES, "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        for piece in pieces:
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        return connection.getresponse()
    return connection.getresponse()


def _json(text: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _code(status: int) -> Exit:
    return Exit.NOT_FOUND if status == _NOT_FOUND else Exit.REFUSED


def _problem(status: int, value: object) -> str:
    """Put an application/problem+json answer into a sentence."""
    if not isinstance(value, dict):
        return f"the service refused (HTTP {status})"
    said = str(value.get("detail") or value.get("title") or f"HTTP {status}")
    line = value.get("line")
    return said if line is None or f"line {line}" in said else f"line {line}: {said}"
