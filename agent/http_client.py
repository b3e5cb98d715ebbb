"""Asking the server: HTTP over the standard library, with caps and a deadline."""

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.report import SIGNATURE_HEADER
from agent.server_url import ServerUrl

MAX_ANSWER_OCTETS = 64 * 1024
_STEP_S = 20.0
_WHOLE_S = 60.0
_PIECE = 8 * 1024


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
        return found if isinstance(found, str) else ""

    @property
    def detail(self) -> str:
        """What a problem is, for people."""
        found = self.value.get("detail")
        text = found if isinstance(found, str) else ""
        return "".join(one if one.isprintable() else " " for one in text)[:500]


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
        until = time.monotonic() + within_s
        if self._connection is None:
            self._connection = self._connect()
        # One wait for the answer's head, one for its body.
        self._connection.timeout = min(_STEP_S, within_s / 2)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self._connection.timeout)
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
                raise TooLongError
            if time.monotonic() > until:
                raise TimeoutError("the answer took too long")
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

    def _connect(self) -> http.client.HTTPConnection:
        if not self._url.secure:
            return http.client.HTTPConnection(self._url.host, self._url.port, timeout=_STEP_S)
        if self._tls is None:
            # Made once: reading the system's certificates costs more than all the rest.
            self._tls = ssl.create_default_context(cafile=self._ca_file or None)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return http.client.HTTPSConnection(
            self._url.host, self._url.port, timeout=_STEP_S, context=self._tls
        )


class TooLongError(http.client.HTTPException):
    """An answer that is longer than any that means something."""

    def __str__(self) -> str:
        return f"the answer is longer than {MAX_ANSWER_OCTETS:,} octets"


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _seconds(header: str | None) -> float | None:
    # A date is not taken: the clocks of two machines would have to agree.
    return float(header) if header is not None and header.isdecimal() else None


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
