"""An answer of the verification door, before it is HTTP: for aiohttp, or as octets."""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import hdrs, web
from multidict import CIMultiDict

from server.web.bare import SERVER_NAME

PLAIN = CIMultiDict(
    {
        hdrs.CONTENT_TYPE: "text/plain; charset=utf-8",
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.SERVER: SERVER_NAME,
    }
)
"""The headers of every answer; copy before adding to them."""


class Reply(NamedTuple):
    """Status, body, and the headers beside length, date and connection."""

    status: int
    body: bytes
    headers: CIMultiDict[str] = PLAIN

    def response(self) -> web.Response:
        """Return it as aiohttp's."""
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    def octets(self, second: int, *, close: bool) -> bytes:
        """Return what aiohttp would send for `response` over HTTP/1.1.

        second: now, since the epoch; close: say that the connection ends.
        """
        status, body, headers = self
        start = _PLAIN_START if headers is PLAIN and status == HTTPStatus.OK else _start(*self)
        connection = b"Connection: close\r\n" if close else b""
        return b"%bContent-Length: %d\r\nDate: %b\r\n%b\r\n%b" % (
            start,
            len(body),
            _date(second),
            connection,
            body,
        )


def _start(status: int, _body: bytes, headers: CIMultiDict[str]) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{fields}".encode()


_PLAIN_START = _start(HTTPStatus.OK, b"", PLAIN)


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
