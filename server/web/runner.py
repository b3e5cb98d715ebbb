"""Puts an application behind listening sockets, with the guard, and ends it gracefully."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from server.metrics.tally import Tally
from server.web.guard import Caps, Guard
from server.web.handshake import Doorstep
from server.web.repeats import SHORTCUT, RepeatGuard

if TYPE_CHECKING:
    from server.web.certificate import ServedCertificate

_BACKLOG = 1024
_TURNS = 3


class Serving:
    """An application that accepts connections. Made by `serve`."""

    def __init__(
        self,
        runner: web.AppRunner,
        guard: Guard,
        doorstep: Doorstep | None,
        listeners: Sequence[asyncio.AbstractServer],
    ) -> None:
        self._runner = runner
        self._guard = guard
        self._doorstep = doorstep
        self._listeners = listeners

    @property
    def open_connections(self) -> int:
        """Return how many connections are open now."""
        return self._guard.open

    async def reload_certificate(self) -> bool:
        """Read the TLS files again for the next connections; False when they are no good.

        Never raises. Without TLS there is nothing to read.
        """
        return self._doorstep is None or await self._doorstep.certificate.reload()

    async def retire(self, patience_s: float) -> None:
        """Stop accepting; serve the connections that stand until they end. `stop` comes after.

        For a successor that accepts on the same sockets already. A connection is told to close
        with its next answer, and an idle one ends when its time is over, as it would have
        anyway: closing it now could cross a request on its way, which nobody would answer.
        patience_s: seconds after which this returns with connections left.
        """
        await self._stop_accepting()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._guard.all_left(), patience_s)

    async def stop(self) -> None:
        """Stop accepting; finish the requests that were accepted; close every connection.

        Idle connections end at once. Returns within the grace given to `serve`, about.
        """
        await self._stop_accepting()
        if self._doorstep is not None:
            self._doorstep.clear()
        await self._runner.cleanup()

    async def _stop_accepting(self) -> None:
        # One turn of the loop takes in connections that the kernel has accepted already: with
        # the listening socket they would be reset.
        await asyncio.sleep(0)
        for listener in self._listeners:
            listener.close()
        # And a few until each has been made known to the guard (asyncio takes two, uvloop one).
        for _ in range(_TURNS):
            await asyncio.sleep(0)


async def serve(
    app: web.Application,
    sockets: Sequence[socket.socket],
    *,
    tally: Tally,
    caps: Caps = Caps(),  # noqa: B008 - an immutable value
    grace_s: float = 10.0,
    tls: "ServedCertificate | None" = None,
) -> Serving:
    """Accept connections for `app` on sockets that are bound already (TCP or Unix).

    grace_s: seconds that accepted requests may still take when `stop` is called. tls: speak TLS
    with this certificate; whoever gives it reloads it.
    The sockets belong to the caller's `Serving` from now on; `stop` closes them.
    """
    # aiohttp waits this long for handlers, and once more after telling bodies to end.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace_s / 2)
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp's runner has no server after setup")
    guard = Guard(runner.server, caps=caps, tally=tally)
    if (shortcut := app.get(SHORTCUT)) is not None:
        guard = RepeatGuard(runner.server, caps=caps, tally=tally, shortcut=shortcut)
    doorstep = None if tls is None else Doorstep(guard, tls)
    loop = asyncio.get_running_loop()
    listeners: list[asyncio.AbstractServer] = []
    try:
        for sock in sockets:
            is_unix = sock.family == socket.AF_UNIX
            listen = loop.create_unix_server if is_unix else loop.create_server
            listeners.append(await listen(doorstep or guard, sock=sock, backlog=_BACKLOG))
    except BaseException:
        for listener in listeners:
            listener.close()
        await runner.cleanup()
        raise
    return Serving(runner, guard, doorstep, listeners)
