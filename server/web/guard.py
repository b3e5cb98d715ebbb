"""The guard at the door: deadlines and caps of our own over aiohttp's connection handling.

aiohttp waits as long as a peer likes for a request's head, holds as many connections as come,
answers bad HTTP with a page that quotes it, and logs the request line. None of that may stand
in front of a service whose request lines hold OTPs and whose outage locks people out. What a
peer may do to one connection is bounded here:

* a complete head within `head_s` of connecting, or of its first octet on an idle connection;
* an idle connection lives `idle_s`; an answer must be taken within `write_s`;
* lines, fields, their number and the head as a whole have caps; so has the number of
  connections: at that number a newcomer takes the place of the oldest idle one, so that whoever
  only holds connections locks nobody out. A body's cap and deadline belong to the door that
  reads it (`bodies`).

Over TLS the handshake has a deadline of its own before all that (`handshake`), a connection in
its handshake counts like any other and is idle, and so is one that waits for the peer's farewell.

A head that arrives half, in the same packet as a complete request, has `idle_s` instead of
`head_s`: no more than an idle connection has anyway, so nothing is gained by it.

Private parts of aiohttp relied on, pinned by `tests/server/web/test_guard_pins.py`:
`RequestHandler._request_count` (complete heads so far) and `._waiter` (set and pending while
the connection is idle).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple, Protocol, cast

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import LineTooLong

from server.metrics.layout import Rejected
from server.metrics.tally import Tally
from server.web.bare import SERVER_NAME, bare_answer
from server.web.faults import describe_fault

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)
_BAD_REQUEST = 400
_FAULT = 500
_MOMENT_S = 0.02
_UNREADABLE = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Cache-Control: no-store\r\nServer: keystead\r\nConnection: close\r\n"
    b"Content-Length: 12\r\n\r\nBad Request\n"
)


class Caps(NamedTuple):
    """What a peer may do to a connection. Seconds and octets.

    request_line is far above every honest request, so that an absurd parameter still gets the
    protocol's own answer.
    """

    handshake_s: float = 5.0
    head_s: float = 5.0
    idle_s: float = 30.0
    write_s: float = 10.0
    linger_s: float = 2.0
    connections: int = 4096
    request_line: int = 128 * 1024
    header_field: int = 8 * 1024
    headers: int = 64
    head: int = 192 * 1024
    read_buffer: int = 64 * 1024


class Guest(Protocol):
    """Whoever holds one of the connections that the guard lets be open."""

    def is_idle(self) -> bool:
        """Tell whether nothing is lost when the connection ends."""
        ...

    def give_way(self) -> None:
        """End the connection in favour of a new one."""
        ...


class Guard:
    """Makes the guarded connections of one application and counts them; a protocol factory."""

    def __init__(self, server: web.Server, *, caps: Caps, tally: Tally) -> None:
        self.server = server
        self.caps = caps
        self.tally = tally
        self.open = 0
        self.retiring = False
        self._left = asyncio.Event()
        self.admitted: dict[Guest, None] = {}  # oldest first

    def admit(self, guest: Guest) -> bool:
        """Count a new connection in; False when there are too many and none gives way."""
        if len(self.admitted) >= self.caps.connections and not self.make_room():
            self.tally.rejected(Rejected.TOO_MANY_CONNECTIONS)
            return False
        self.admitted[guest] = None
        self.open += 1
        self.tally.connected()
        return True

    def pass_on(self, guest: Guest, successor: Guest) -> None:
        """Let another object hold an admitted connection."""
        self.admitted.pop(guest, None)
        self.admitted[successor] = None

    def release(self, guest: Guest) -> None:
        """Count a connection out that was admitted."""
        self.admitted.pop(guest, None)
        self.open -= 1
        self._left.set()
        self.tally.disconnected()

    def make_room(self) -> bool:
        """End the oldest idle connection; False when every one has a request under way."""
        for guest in self.admitted:
            if guest.is_idle():
                del self.admitted[guest]
                guest.give_way()
                return True
        return False

    async def all_left(self) -> None:
        """Wait until no connection is open. Each is told with its next answer to close."""
        self.retiring = True
        while self.open:
            self._left.clear()
            await self._left.wait()

    def __call__(self) -> "GuardedHandler":
        """Return the protocol of a new connection, for `loop.create_server`."""
        return GuardedHandler(self)


class GuardedHandler(web.RequestHandler):
    """One connection. raw: what carries the octets when TLS is between it and the handler."""

    __slots__ = (
        "_draining",
        "_guard",
        "_head_octets",
        "_head_timer",
        "_wire",
        "_write_timer",
        "raw",
    )

    def __init__(self, guard: Guard) -> None:
        caps = guard.caps
        super().__init__(
            guard.server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=caps.idle_s,
            access_log=None,  # type: ignore[arg-type] # as run_app passes it: no access log
            debug=False,
            max_line_size=caps.request_line,
            max_field_size=caps.header_field,
            max_headers=caps.headers,
            lingering_time=caps.linger_s,
            read_bufsize=caps.read_buffer,
            auto_decompress=False,  # a body is what was sent: no decompression bombs
        )
        self._guard = guard
        # aiohttp forgets its transport when it closes; a slow reader must still be cut off.
        self._wire: asyncio.Transport | None = None
        self.raw: asyncio.Transport | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._head_octets = 0
        self._draining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or end it at once when there are too many."""
        wire = cast("asyncio.Transport", transport)
        guard = self._guard
        if self not in guard.admitted and not guard.admit(self):
            wire.abort()
            return
        self._wire = wire
        # From the first octet that the peer does not take, `pause_writing` is called. The
        # transports of TLS pause at the limit and not above it: 0 would mean always.
        wire.set_write_buffer_limits(high=0 if self.raw is None else 1)
        super().connection_made(transport)
        self._head_timer = self._after(guard.caps.head_s, Rejected.SLOW_HEAD)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of an admitted connection."""
        if self._wire is None:
            return
        self._wire = None
        self._guard.release(self)
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass octets on; watch that they make a complete head in time and within the cap."""
        if self._wire is None:
            return
        complete = self._request_count
        try:
            super().data_received(data)
        except Exception as fault:  # noqa: BLE001 - the process's boundary: see _break_off
            self._break_off(fault)
            return
        if self._request_count != complete:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
            self._head_octets = 0
        elif self._waits():
            # Idle, so these octets are the beginning of a head and not a body.
            if self._head_timer is None:
                self._head_timer = self._after(self._guard.caps.head_s, Rejected.SLOW_HEAD)
            self._head_octets += len(data)
            if self._head_octets > self._guard.caps.head:
                self._cut(Rejected.TOO_LARGE)

    def is_idle(self) -> bool:
        """Tell whether the connection waits for a request, or only for TLS to say farewell."""
        return self._waits() or self._takes_leave()

    def _waits(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _takes_leave(self) -> bool:
        """Tell whether nothing but the peer's TLS farewell is missing, which may never come."""
        wire, raw = self._wire, self.raw
        return (
            raw is not None
            and wire is not None
            and wire.is_closing()
            and not raw.get_write_buffer_size()
        )

    def answers_last(self) -> bool:
        """Tell whether the connection ends with the answer that is made now."""
        return self._draining or self._guard.retiring

    def give_way(self) -> None:
        """End an idle connection in favour of a new one."""
        self._cut(Rejected.TOO_MANY_CONNECTIONS)

    def pause_writing(self) -> None:
        """Start the deadline of a peer that does not take its answer."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self._after(self._guard.caps.write_s, Rejected.SLOW_READER)

    def resume_writing(self) -> None:
        """End that deadline: everything was taken."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def close(self) -> None:
        """Close after the answer under way; it will say so."""
        self._draining = True
        super().close()

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Send an answer, without aiohttp's pages and version."""
        if isinstance(resp, web.HTTPException):
            _free_frames(resp)
            resp = bare_answer(resp.status, allow=resp.headers.get(hdrs.ALLOW, ""))
        else:
            resp.headers.setdefault(hdrs.SERVER, SERVER_NAME)
        if self.answers_last():
            resp.force_close()
        finishing = super().finish_response(request, resp, start_time)
        return finishing if self.raw is None else self._finish_over_tls(finishing)

    async def _finish_over_tls(
        self, finishing: Coroutine[Any, Any, tuple[web.StreamResponse, bool]]
    ) -> tuple[web.StreamResponse, bool]:
        if self._write_timer is not None and self._was_taken():
            self._write_timer.cancel()
            self._write_timer = None
        finished = await finishing
        self.answered_over_tls()
        return finished

    def answered_over_tls(self) -> None:
        """Start the deadline of an answer that TLS has let go of and the peer has not taken.

        TLS says `pause_writing` only for what it could not hand on at all.
        """
        raw = self.raw
        if raw is not None and raw.get_write_buffer_size() and self._write_timer is None:
            self._write_timer = self._after(self._guard.caps.write_s, Rejected.SLOW_READER)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = _FAULT,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's: quotes the request
    ) -> web.StreamResponse:
        """Answer what is not HTTP, and faults that no door caught; say nothing about either."""
        if status == _BAD_REQUEST:
            _free_frames(exc)
            too_large = isinstance(exc, LineTooLong)
            self._guard.tally.rejected(Rejected.TOO_LARGE if too_large else Rejected.MALFORMED)
        else:
            self._guard.tally.unexpected()
            if exc is not None:
                _log.error("request_fault", **describe_fault(exc))
        if request.writer.output_size > 0:
            # aiohttp's own rule: half an answer cannot be taken back; the connection ends.
            raise ConnectionError("an answer was begun already")
        return bare_answer(status, close=True)

    def log_exception(self, *_: object, **details: object) -> None:
        """Write down a fault inside aiohttp without its words."""
        fault = details.get("exc_info")
        facts = describe_fault(fault) if isinstance(fault, BaseException) else {}
        _log.error("connection_fault", **facts)

    def _after(self, seconds: float, reason: Rejected) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, self._last_chance, reason)

    def _last_chance(self, reason: Rejected) -> None:
        """Cut off in a moment, unless what was waited for has come already and is unread.

        A process that was stopped for a while finds its deadlines passed before it has looked
        at its sockets: it must not cut off everybody for its own pause.
        """
        timer = self._loop.call_later(_MOMENT_S, self._cut, reason)
        if reason is Rejected.SLOW_HEAD:
            self._head_timer = timer
        else:
            self._write_timer = timer

    def _cut(self, reason: Rejected) -> None:
        """End the connection now, whatever is in its buffers."""
        if reason is Rejected.SLOW_READER and self._was_taken():
            self._write_timer = None
            return
        self._guard.tally.rejected(reason)
        if self._wire is not None:
            self._wire.abort()

    def _was_taken(self) -> bool:
        """Tell whether an answer over TLS was taken since its deadline began; nobody says so."""
        return self.raw is not None and not self._paused and not self.raw.get_write_buffer_size()

    def _break_off(self, fault: Exception) -> None:
        """Answer 400 by hand when the parser itself failed.

        asyncio would write the exception down with its message, and the message may quote the
        request line. Nothing is known about the request, so nothing else can be done.
        """
        self._guard.tally.rejected(Rejected.MALFORMED)
        _log.debug("unreadable_request", **describe_fault(fault))
        if self._wire is not None:
            self._wire.write(_UNREADABLE)
        self.force_close()


def _free_frames(fault: BaseException | None) -> None:
    """Cut the cycle of an exception and the frame in aiohttp that holds it.

    Otherwise a refused request stays in memory until the garbage collector comes, which is
    seldom (`server.programs.garbage`).
    """
    while fault is not None:
        fault.__traceback__ = None
        fault = fault.__context__
