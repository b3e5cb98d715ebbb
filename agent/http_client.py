"""Asking the server: HTTP over the standard library, with caps and a deadline.

The library is loaded with the first question: keys are watched by then.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from agent.measured import MeasuredSocket, TooLongError
from agent.report import SIGNATURE_HEADER
from agent.server_url import ServerUrl
from agent.shown import shown

if TYPE_CHECKING:
    import http.client
    import ssl

MAX_ANSWER_OCTETS = 64 * 1024
_MAX_HEADS = 32 * 1024
_STEP_S = 20.0
_WHOLE_S = 60.0
_PIECE = 8 * 1024
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_CODE = re.compile(r"[a-z0-9-]{1,40}")


class UnreachableError(Exception):
    """No answer, or none that could be read. The message is for people."""


class HttpAnswer(NamedTuple):
    """An answer. value: the JSON object in it, empty when it has none.

    content: the body as it came; signature: the header that a server signs it in, "" = none.
    """

    status: int
    retry_after_s: float | None
    value: Mapping[str, Any]
    content: bytes = b""
    signature: str = ""

    @property
    def code(self) -> str:
        """What a problem is, for programs."""
        found = self.value.get("code")
        # It is shown to people as well, and whoever answers may want to steer a terminal.
        return found if isinstance(found, str) and _CODE.fullmatch(found) else ""

    @property
    def detail(self) -> str:
        """What a problem is, for people."""
        found = self.value.get("detail")
        return shown(found) if isinstance(found, str) else ""


class Client:
    """One server. ca_file: the certificates to trust, "" = the system's."""

    def __init__(self, url: ServerUrl, ca_file: str, agent: str) -> None:
        self._url = url
        self._agent = agent
        self._tls: ssl.SSLContext | None = None
        self._ca_file = ca_file
        self._connection: http.client.HTTPConnection | None = None

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        within_s: float = _WHOLE_S,
    ) -> HttpAnswer:
        """Send a body. UnreachableError. A connection that worked is used again.

        within_s: for all of it; a connection that has to be made anew takes that much once more.
        """
        import http.client  # noqa: PLC0415

        for fresh in (self._connection is None, True):
            try:
                return self._post(path, body, headers, within_s)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                self.close()
                # The server may have closed an old connection; a new one says more.
                if fresh:
                    raise UnreachableError(_words(error)) from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                raise UnreachableError(_words(error)) from None
        raise UnreachableError("no answer")

    def close(self) -> None:
        """Close the connection; the next request opens one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(
        self, path: str, body: bytes, headers: Mapping[str, str], within_s: float
    ) -> HttpAnswer:
        import http.client  # noqa: PLC0415

        # One wait for the answer's head, one for its body.
        step_s = min(_STEP_S, within_s / 2)
        if self._connection is None:
            self._connection = self._connect(step_s)
        socket = cast("MeasuredSocket", self._connection.sock)
        socket.settimeout(step_s)
        socket.begin(within_s, MAX_ANSWER_OCTETS + _MAX_HEADS)
        self._connection.request(
            "POST",
            self._url.path + path,
            body,
            {
                "Content-Type": "application/json",
                "User-Agent": self._agent,
                "Accept": "application/json, application/problem+json",
                **headers,
            },
        )
        answer = self._connection.getresponse()
        content = bytearray()
        while piece := answer.read(_PIECE):
            content += piece
            if len(content) > MAX_ANSWER_OCTETS:
                raise TooLongError(f"the answer is longer than {MAX_ANSWER_OCTETS:,} octets")
        if answer.length:
            raise http.client.IncompleteRead(bytes(content), answer.length)
        if answer.will_close:
            self.close()
        return HttpAnswer(
            answer.status,
            _seconds(answer.getheader("Retry-After")),
            _object(bytes(content)),
            bytes(content),
            answer.getheader(SIGNATURE_HEADER) or "",
        )

    def _connect(self, step_s: float) -> "http.client.HTTPConnection":
        import http.client  # noqa: PLC0415

        where = (self._url.host, self._url.port)
        connection: http.client.HTTPConnection
        if not self._url.secure:
            connection = http.client.HTTPConnection(*where, timeout=step_s)
        else:
            connection = http.client.HTTPSConnection(
                *where, timeout=step_s, context=self._trusting()
            )
        try:
            connection.connect()
        except OSError:
            connection.close()
            raise
        connection.sock = cast("Any", MeasuredSocket(connection.sock))
        return connection

    def _trusting(self) -> "ssl.SSLContext":
        import ssl  # noqa: PLC0415

        if self._tls is None:
            # Made once: reading the system's certificates costs more than all the rest.
            file = self._ca_file or None
            directory = None if file else _looked_up(ssl.get_default_verify_paths().capath)
            self._tls = ssl.create_default_context(cafile=file, capath=directory)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls


def _looked_up(directory: str | None) -> str | None:
    """Return the system's directory of certificates, where one is found in it by its hash.

    Then OpenSSL reads the one that a server's leads to, and not all of them, which are two
    mebibytes for as long as the agent runs. None: all are read, from wherever the system has them.
    """
    if directory is None or "SSL_CERT_FILE" in os.environ:
        return None
    hashed = (_HASHED.fullmatch(name) for name in os.listdir(directory))  # noqa: PTH208 - names
    return directory if any(hashed) else None


def _words(error: Exception) -> str:
    # What a server sent may be in it, octet by octet.
    return shown(str(error)) or type(error).__name__


def _seconds(header: str | None) -> float | None:
    # A date is not taken: the clocks of two machines would have to agree.
    return float(header) if header is not None and header.isdecimal() else None


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
