"""The TLS handshake before a connection is anybody's: within a deadline, and counted.

asyncio would shake hands by itself, but tells of a connection only afterwards: whoever opens
connections and says nothing would hold any number of them. So the guard admits the bare connection
first; `start_tls` does the rest, with whatever certificate is in service at that moment.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

import structlog

from server.metrics.layout import Rejected
from server.web.faults import describe_fault
from server.web.guard import Guard

if TYPE_CHECKING:
    from server.web.certificate import ServedCertificate

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Doorstep:
    """Makes the connections of a TLS listener; a protocol factory like the guard itself."""

    def __init__(self, guard: Guard, certificate: "ServedCertificate") -> None:
        self.guard = guard
        self.certificate = certificate
        self.shaking: set[Handshake] = set()

    def __call__(self) -> "Handshake":
        """Return the protocol of a new connection, for `loop.create_server`."""
        return Handshake(self)

    def clear(self) -> None:
        """End every handshake: no request came of it yet."""
        for handshake in list(self.shaking):
            handshake.end()


class Handshake(asyncio.Protocol):
    """One connection until it speaks TLS."""

    def __init__(self, doorstep: Doorstep) -> None:
        self._doorstep = doorstep
        self._raw: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._passed_on = False
        self._before_tls = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or end it at once when there are too many."""
        raw = cast("asyncio.Transport", transport)
        if not self._doorstep.guard.admit(self):
            raw.abort()
            return
        self._raw = raw
        raw.pause_reading()  # the first octet belongs to TLS; uvloop does not listen yet
        # The kernel's buffer and no other: see GuardedHandler.answered_over_tls.
        raw.set_write_buffer_limits(high=0)
        self._doorstep.shaking.add(self)
        self._task = asyncio.get_running_loop().create_task(self._shake(raw))
        self._task.add_done_callback(self._shaken)

    def data_received(self, data: bytes) -> None:
        """Keep what uvloop reads before `start_tls` has begun."""
        self._before_tls += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """End with a connection that ended before `start_tls` could see it."""
        if self._task is not None:
            self._task.cancel()

    def is_idle(self) -> bool:
        """Tell the guard that nothing is lost with a handshake."""
        return True

    def give_way(self) -> None:
        """End in favour of a new connection."""
        self._doorstep.guard.tally.rejected(Rejected.TOO_MANY_CONNECTIONS)
        self.end()

    def end(self) -> None:
        """End the connection now."""
        if self._raw is not None:
            self._raw.abort()
        if self._task is not None:
            self._task.cancel()

    async def _shake(self, raw: asyncio.Transport) -> None:
        """Shake hands, then let the guard's own protocol take the connection over."""
        guard, caps = self._doorstep.guard, self._doorstep.guard.caps
        early = _Early()
        # Comes between the beginning of `start_tls` and its going on to read.
        asyncio.get_running_loop().call_soon(self._feed, raw)
        try:
            wire = await asyncio.get_running_loop().start_tls(
                raw,
                early,
                self._doorstep.certificate.credentials.context,
                server_side=True,
                ssl_handshake_timeout=caps.handshake_s,
                ssl_shutdown_timeout=caps.write_s,
            )
        except ConnectionAbortedError:  # what asyncio and uvloop call a handshake out of time
            guard.tally.rejected(Rejected.SLOW_HANDSHAKE)
        except ssl.SSLError as error:
            guard.tally.rejected(Rejected.HANDSHAKE)
            _log.debug("tls_handshake_failed", reason=error.reason)
        except OSError:
            pass  # the peer left
        else:
            if wire is None:
                return  # it was closed in the same moment
            handler = guard()
            handler.raw = raw
            guard.pass_on(self, handler)
            self._passed_on = True
            early.hand_over(wire, handler)

    def _feed(self, raw: asyncio.Transport) -> None:
        """Give TLS what came before it, as a transport gives it to any buffered protocol."""
        protocol = cast("asyncio.BufferedProtocol", raw.get_protocol())
        while self._before_tls:
            buffer = memoryview(protocol.get_buffer(len(self._before_tls)))
            piece = self._before_tls[: len(buffer)]
            buffer[: len(piece)] = piece
            protocol.buffer_updated(len(piece))
            self._before_tls = self._before_tls[len(piece) :]

    def _shaken(self, task: asyncio.Task[None]) -> None:
        """Let go of the connection, whatever became of the handshake: perhaps it never began."""
        self._doorstep.shaking.discard(self)
        if not self._passed_on:
            self._doorstep.guard.release(self)
            if self._raw is not None:
                self._raw.abort()
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._doorstep.guard.tally.unexpected()
            _log.error("handshake_fault", **describe_fault(fault))


class _Early(asyncio.Protocol):
    """Keeps what comes between the end of the handshake and the next turn of the loop."""

    def __init__(self) -> None:
        self._received: list[bytes] = []
        self._at_end = False
        self._lost = False
        self._fault: Exception | None = None

    def data_received(self, data: bytes) -> None:
        self._received.append(data)

    def eof_received(self) -> None:
        self._at_end = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost, self._fault = True, exc

    def hand_over(self, wire: asyncio.Transport, handler: asyncio.Protocol) -> None:
        """Let `handler` see all of it, and whatever comes from now on."""
        wire.set_protocol(handler)
        handler.connection_made(wire)
        for data in self._received:
            handler.data_received(data)
        if self._at_end:
            handler.eof_received()
        if self._lost:
            handler.connection_lost(self._fault)
