"""HTTP/1.1 by hand over one keep-alive connection: fast, and nothing is retried behind our back.

A retry would spoil every test here: whether an OTP was asked once or twice is the question.
"""

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_END_OF_HEAD = b"\r\n\r\n"


class WireAnswer(NamedTuple):
    """An HTTP answer. headers: names in lower case."""

    code: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """One connection to `url`, opened on entering the context. trust: for https."""

    def __init__(
        self, url: str, *, within_s: float = 30.0, trust: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host = parts.hostname
        self._port = parts.port
        self._within_s = within_s
        self._trust = trust

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            self._host, self._port, ssl=self._trust
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def get(self, target: str) -> WireAnswer:
        """GET a path and query; OSError or EOFError when the connection broke on the way."""
        async with asyncio.timeout(self._within_s):
            self._writer.write(f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
            head = await self._reader.readuntil(_END_OF_HEAD)
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await self._reader.readexactly(int(headers["content-length"]))
            return WireAnswer(int(first.split(" ", 2)[1]), headers, body)
