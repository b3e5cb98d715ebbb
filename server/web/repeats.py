"""Repeats: requests that differ from one before on their connection in nothing but the query.

A relying party keeps its connections open and sends the same head on them each time; only the
query is another. So aiohttp reads the first request of a connection, and when that was a
plain question to the verification door, its head is remembered to the octet. A later request
that comes in one piece and has this very head needs no parser any more: it means what the first
one meant. Its query goes to the door directly, which saves more than half of what HTTP costs.

Nothing is interpreted here. Whatever differs (another head, half a request, two in one
packet, a letter in the query that is not plain) is aiohttp's to read, and the head has to be
learned anew. A property test holds both ways against each other.

Private parts of aiohttp relied on, beside those of `guard`, pinned by the same test:
`RequestHandler._messages` (heads read and not yet handled), `._process_keepalive`,
`._next_keepalive_close_time`, `.shutdown`, and `BaseProtocol._drain_helper` and
`._buffer_paused` (its parser holds octets back).
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDictProxy

from server.clock import Clock
from server.metrics.tally import Tally
from server.otp.verdict import Source
from server.web.guard import Caps, Guard, GuardedHandler
from server.web.reply import Reply

MOST = 4096
"""Octets of a query that is taken here; every honest one is far below."""

MOST_HEAD = 4096
"""Octets of a head that is remembered: idle connections hold it, as many as there may be."""

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=&%._~+/-"
_VERSION = b" HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_MORE_THAN_A_QUESTION = (hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING, hdrs.EXPECT, hdrs.UPGRADE)
"""Fields by which a body may follow, or an answer that is not the door's."""


class Shortcut(NamedTuple):
    """What a door answers without aiohttp's help.

    start: how its requests begin, `GET`, path and question mark; source: (peer's host, headers)
    -> whose budget pays; answer: (query, source) -> the reply, never raises; unanswered: counts a
    request that a fault of ours left without an answer of the door's.
    """

    start: bytes
    source: Callable[[str, CIMultiDictProxy[str]], Source]
    answer: Callable[[bytes, Source], Awaitable[Reply]]
    clock: Clock
    unanswered: Callable[[], None]


SHORTCUT: web.AppKey[Shortcut] = web.AppKey("SHORTCUT", Shortcut)
"""Where an application offers its shortcut to whoever serves it."""


class RepeatGuard(Guard):
    """Makes connections that know a shortcut."""

    def __init__(self, server: web.Server, *, caps: Caps, tally: Tally, shortcut: Shortcut) -> None:
        super().__init__(server, caps=caps, tally=tally)
        self.shortcut = shortcut

    def __call__(self) -> GuardedHandler:
        """Return the protocol of a new connection."""
        return RepeatHandler(self)


class RepeatHandler(GuardedHandler):
    """One connection. Repeats are answered one at a time; what comes meanwhile waits."""

    __slots__ = ("_at_start", "_clock", "_head", "_later", "_shortcut", "_source", "_task")

    def __init__(self, guard: RepeatGuard) -> None:
        super().__init__(guard)
        self._shortcut = guard.shortcut
        self._clock = guard.shortcut.clock
        # aiohttp's parser certainly stands at the beginning of a request.
        self._at_start = True
        # Set only while that is so, and the request before came whole, in a packet of its own.
        self._head: bytes | None = None
        self._source: Source | None = None
        self._task: asyncio.Task[None] | None = None
        self._later = b""

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what was remembered: a connection object may live on in a cycle."""
        self._head = self._source = None
        self._later = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer a repeat; hand everything else to aiohttp, and learn from it."""
        if self._task is not None:
            self._put_aside(data)
            return
        head, source = self._head, self._source
        if head is not None and source is not None and data.endswith(head) and self._waits():
            front = data[: -len(head)]
            start = self._shortcut.start
            query = front[len(start) :]
            if front.startswith(start) and len(query) <= MOST and not query.translate(None, _PLAIN):
                self._task = self._loop.create_task(self._repeat(query, source))
                return
        complete = self._request_count
        super().data_received(data)
        self._learn(data, heads=self._request_count - complete)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, and faults that no door caught; count the latter."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._shortcut.unanswered()
        return super().handle_error(request, status, exc, message)

    def _waits(self) -> bool:
        return self._task is None and super()._waits()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Let a repeat under way end first; end it when it does not."""
        self._draining = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout)
        await super().shutdown(timeout)
        if self._task is not None:
            self._task.cancel()

    def _process_keepalive(self) -> None:
        """Close the connection when it was idle for long: not while a repeat is under way."""
        if self._task is not None:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()

    def _learn(self, data: bytes, *, heads: int) -> None:
        """Remember the head of a plain question that came alone, whole, in one packet.

        It came alone only if aiohttp's parser held nothing before. Half a head or the rest of a
        body would make something else of the same octets: to the parser, this packet's request
        line may be the value of a field, below an X-Forwarded-For of the peer's own.
        """
        self._head = self._source = None
        began_at_start, self._at_start = self._at_start, False
        if not heads or not self._messages or not data.endswith(_END) or self._buffer_paused:
            return
        message, body = self._messages[-1]
        if (
            not isinstance(message, RawRequestMessage)
            or body is not EMPTY_PAYLOAD
            or not message.headers.keys().isdisjoint(_MORE_THAN_A_QUESTION)
        ):
            return
        # No body follows the last head, and a further one would have ended where the data does.
        self._at_start = True
        start = self._shortcut.start
        if (
            began_at_start
            and heads == 1
            and data.find(_END) == len(data) - len(_END)
            and message.version == HttpVersion11
            and not message.should_close
            and data.startswith(start)
            and data.startswith(
                b"GET " + message.path.encode("utf-8", "surrogateescape") + _VERSION
            )
            and self._wire is not None
        ):
            head = data[data.index(_VERSION) :]
            peer = self._wire.get_extra_info("peername")
            # A peer on a Unix socket has no host; what aiohttp makes of it is aiohttp's.
            if len(head) <= MOST_HEAD and isinstance(peer, tuple):
                self._source = self._shortcut.source(str(peer[0]), message.headers)
                self._head = head

    def _put_aside(self, data: bytes) -> None:
        """Keep what a peer sends before it has its answer; take nothing more until then."""
        self._later += data
        if self._wire is not None:
            self._wire.pause_reading()

    async def _repeat(self, query: bytes, source: Source) -> None:
        last = False
        try:
            reply = await self._shortcut.answer(query, source)
            if self._wire is not None:
                last = self.answers_last()
                second = self._clock.now_us() // 1_000_000
                self._wire.write(reply.octets(second, close=last))
                if self._paused:
                    await self._drain_helper()
                if self.raw is not None:
                    self.answered_over_tls()
        except BaseException as fault:
            # There is no answer to this one, so none to a later one may take its place.
            self._later = b""
            if self._wire is not None:
                self._wire.abort()
            if not isinstance(fault, Exception):
                raise
            if not isinstance(fault, ConnectionError):  # that is a peer who left
                self._guard.tally.unexpected()
                self._shortcut.unanswered()
                self.log_exception(exc_info=fault)
            return
        finally:
            self._task = None
        self._go_on(last=last)

    def _go_on(self, *, last: bool) -> None:
        """Wait for the next request, or take up what came already; end when that is over."""
        if last or self._draining:
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._later and self._wire is not None:
            data, self._later = self._later, b""
            self._wire.resume_reading()
            self.data_received(data)
