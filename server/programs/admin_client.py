"""A client of the admin API, here on its Unix socket: blocking, small, quick to import."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

from server.programs.exits import CommandError, Exit
from server.programs.unix_sockets import connect_unix

ANSWER_WITHIN_S = 30.0
IMPORT_WITHIN_S = 900.0

_NOT_FOUND = 404


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

    def post(self, path: str, value: object = None) -> Any:  # noqa: ANN401 - JSON
        """POST a JSON value."""
        return self.call("POST", path, value)

    def post_patiently(self, path: str, value: object) -> Any:  # noqa: ANN401 - JSON
        """POST a JSON value, and wait as long as an import may take."""
        headers = {"Content-Type": "application/json"}
        return self._exchange("POST", path, json.dumps(value).encode(), headers, IMPORT_WITHIN_S)

    def call(self, method: str, path: str, value: object = None) -> Any:  # noqa: ANN401 - JSON
        """Make one call with a JSON body (None: without a body)."""
        body = None if value is None else json.dumps(value).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self._exchange(method, path, body, headers, ANSWER_WITHIN_S)

    def upload(self, path: str, text: bytes) -> Any:  # noqa: ANN401 - JSON
        """POST a text file."""
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        return self._exchange("POST", path, text, headers, IMPORT_WITHIN_S)

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
        try:
            connection.request(
                method, f"/api/v1{path}", body=body, headers={**headers, **self._credentials()}
            )
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                "the service ended while it was asked. Whether the change was made is not"
                " known: look, and repeat it if not",
                Exit.UNREACHABLE,
            ) from error
        finally:
            connection.close()
        try:
            value = json.loads(text) if text else None
        except ValueError:
            value = None
        if answer.status >= http.client.BAD_REQUEST:
            raise CommandError(_problem(answer.status, value), _code(answer.status))
        return value


def _code(status: int) -> Exit:
    return Exit.NOT_FOUND if status == _NOT_FOUND else Exit.REFUSED


def _problem(status: int, value: object) -> str:
    """Put an application/problem+json answer into a sentence."""
    if not isinstance(value, dict):
        return f"the service refused (HTTP {status})"
    said = str(value.get("detail") or value.get("title") or f"HTTP {status}")
    line = value.get("line")
    return said if line is None or f"line {line}" in said else f"line {line}: {said}"
