"""One end of the link: sends frames, matches answers to calls, says when the other end is gone."""

import asyncio
import socket
from collections.abc import Callable
from typing import Self, cast

from server.storage.link.frames import ANSWERS, MAX_BODY, Frame, FrameError, FrameReader, Kind


class LinkLostError(Exception):
    """The other process is gone. sent: whether it may have seen the call."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the other process is gone")
        self.sent = sent


class Link(asyncio.Protocol):
    """An end of the link. receive: called with every frame that is no answer.

    Whatever is not of this protocol ends the link, as the death of the other side does:
    `lost` is done then, with the reason when it was a fault.
    """

    def __init__(self, receive: Callable[[Frame], None]) -> None:
        self._receive = receive
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._calls: dict[int, asyncio.Future[Frame]] = {}
        self._last_call = 0
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, end: socket.socket, receive: Callable[[Frame], None]) -> Self:
        """Take over one end of a socket pair."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(receive), sock=end)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio)."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=4 * MAX_BODY)

    def data_received(self, data: bytes) -> None:
        """Cut and hand out frames (asyncio)."""
        try:
            for frame in self._reader.feed(data):
                if frame.kind in ANSWERS:
                    waiting = self._calls.pop(frame.call, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(frame)
                else:
                    self._receive(frame)
        except FrameError as error:
            self._end(error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every caller (asyncio)."""
        self._end(exc)

    def _end(self, reason: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        calls, self._calls = self._calls, {}
        for waiting in calls.values():
            if not waiting.done():
                waiting.set_exception(LinkLostError(sent=True))

    def send(self, kind: Kind, body: bytes = b"", call: int = 0) -> None:
        """Send a frame; into nothing when the link is lost (whoever waits hears it from `lost`)."""
        if self._transport is not None and not self.lost.done():
            self._transport.write(Frame(kind, call, body).encode())

    async def call(self, kind: Kind, body: bytes) -> Frame:
        """Send a call and wait for its answer, however long; LinkLostError.

        Callers have deadlines of their own: one that gives up cancels this, and the answer is
        dropped when it comes.
        """
        if self.lost.done() or self._transport is None:
            raise LinkLostError(sent=False)
        self._last_call = number = self._last_call % 0xFFFF_FFFF + 1
        waiting: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._calls[number] = waiting
        try:
            self._transport.write(Frame(kind, number, body).encode())
            return await waiting
        finally:
            self._calls.pop(number, None)

    def abort(self) -> None:
        """Close at once, without sending what waits."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Send what waits, then close."""
        if self._transport is not None:
            self._transport.close()
