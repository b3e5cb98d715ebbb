"""A client that is under full control: it sends octets and reads octets."""

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE_S = 20.0
"""A test that waits longer than this has found a hung connection."""


TLS_PORTS: dict[int, ssl.SSLContext] = {}
"""Ports that a `Peer` speaks TLS to, and with which settings."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until the other side has come so far."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.001)


class Reply(NamedTuple):
    """An answer as it came over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        """Return the value of a header that is there once."""
        (value,) = self.all(name)
        return value


class Peer:
    """One connection to a door; use with `async with`. Without a port, host is a Unix path."""

    def __init__(self, host: str, port: int | None) -> None:
        self._host = host
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await (
            asyncio.open_unix_connection(self._host, limit=2**20)
            if self._port is None
            else asyncio.open_connection(
                self._host, self._port, limit=2**20, ssl=TLS_PORTS.get(self._port)
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.transport.abort()

    def send(self, octets: bytes) -> None:
        """Send without waiting for anything."""
        self._writer.write(octets)

    async def sent(self) -> None:
        """Wait until the other side took what was sent."""
        async with asyncio.timeout(PATIENCE_S):
            await self._writer.drain()

    def half_close(self) -> None:
        """Say that nothing more is sent."""
        self._writer.write_eof()

    def stop_reading(self) -> None:
        """Let answers pile up on the other side."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined] # a full transport

    def start_reading(self) -> None:
        """Take what piled up, and what comes."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined] # a full transport

    async def reply(self, *, head: bool = False) -> Reply:
        """Read one answer. head: it answers HEAD, so it has no body."""
        async with asyncio.timeout(PATIENCE_S):
            start, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = tuple((name, value) for name, _, value in (x.partition(": ") for x in lines))
            reply = Reply(int(start.split(" ")[1]), headers, b"")
            if not head and reply.all("Transfer-Encoding") == ["chunked"]:
                return reply._replace(body=await self._chunks())
            length = 0 if head else int(reply.header("Content-Length"))
            return reply._replace(body=await self._reader.readexactly(length))

    async def _chunks(self) -> bytes:
        """Read a chunked body."""
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return body

    async def rest(self) -> bytes:
        """Read until the other side closes."""
        octets = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            try:
                while chunk := await self._reader.read(65536):
                    octets += chunk
            except ConnectionError:
                pass  # cut off: what came before counts
        return bytes(octets)

    async def ask(self, octets: bytes) -> Reply:
        """Send a request and read its answer."""
        self.send(octets)
        return await self.reply()


def get(target: str | bytes, *headers: str) -> bytes:
    """Return a GET request with a Host header."""
    raw = target.encode() if isinstance(target, str) else target
    fields = "".join(f"{header}\r\n" for header in ("Host: door.test", *headers))
    return b"GET " + raw + b" HTTP/1.1\r\n" + fields.encode() + b"\r\n"


def post(target: str, body: bytes, *headers: str) -> bytes:
    """Return a POST of a form."""
    fields = (
        "Host: door.test",
        f"Content-Length: {len(body)}",
        *(headers or ("Content-Type: application/x-www-form-urlencoded",)),
    )
    text = "".join(f"{field}\r\n" for field in fields)
    return f"POST {target} HTTP/1.1\r\n{text}\r\n".encode() + body
