"""A worker process: verifies on a listening socket that the control process gave it.

Started by the supervisor as `python -P -m server.programs.worker LINK LISTENER`, both numbers
of inherited descriptors. Everything else comes through the link, nothing through argv or the
environment. The end of the link is the end of the control process, and then of this one: no
orphan may go on serving beside the control process's successor.
"""

import asyncio
import contextlib
import enum
import signal
import socket
import sys
from typing import Any

import structlog
import uvloop

from hsm.vault import VaultError
from server import logs, main
from server.clock import SystemClock
from server.config import Config
from server.handed_keys import HandedKeys, OpenKeys
from server.otp.ports import StoreError
from server.programs import garbage
from server.programs.assignment import Assignment, OtherVersionError
from server.programs.hardening import keep_memory_private
from server.storage.link.connection import Link
from server.storage.link.frames import Frame, Kind
from server.storage.refusals import StoreRefusedError
from server.tlsfiles import TlsError
from server.web.runner import Serving

_log = structlog.stdlib.get_logger(__name__)

ORPHAN_ENDS_WITHIN_S = 1.0
"""How long an orphan may take to tell the clients under way that it cannot decide."""


class _End(enum.Enum):
    DRAINED = 0
    ORPHANED = 3


class _Orders:
    """What the control process has said so far."""

    def __init__(self) -> None:
        self.settings: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.drain = asyncio.Event()
        self.retire = asyncio.Event()
        self.reload = asyncio.Event()
        self.link: Link | None = None
        self._held: OpenKeys | None = None
        self._early: bytes | None = None

    def receive(self, frame: Frame) -> None:
        """Take an order from the link."""
        if frame.kind is Kind.PING and self.link is not None:
            self.link.send(Kind.PONG)
        elif frame.kind is Kind.DRAIN:
            self.drain.set()
        elif frame.kind is Kind.RETIRE:
            self.retire.set()
        elif frame.kind is Kind.RELOAD:
            self.reload.set()
        elif frame.kind is Kind.KEYS:
            self._take(frame.body)
        elif frame.kind is Kind.SETTINGS and not self.settings.done():
            self.settings.set_result(frame.body)

    def open_for_keys(self, held: OpenKeys) -> None:
        """Hand later keys to this vault."""
        self._held = held
        if self._early is not None:
            self._take(self._early)

    def _take(self, keys: bytes) -> None:
        """Give the vault other keys and say so; it may not be open yet."""
        if self._held is None:
            self._early = keys
            return
        self._held.take(HandedKeys.decode(keys).rings)
        if self.link is not None:
            self.link.send(Kind.HAS_KEYS)


async def work(link_end: socket.socket, listener: socket.socket) -> _End:
    """Serve until told to drain, or until the control process is gone."""
    orders = _Orders()
    link = orders.link = await Link.open(link_end, orders.receive)
    beginnings: set[asyncio.Future[Any]] = {link.lost, orders.settings}
    await asyncio.wait(beginnings, return_when=asyncio.FIRST_COMPLETED)
    if not orders.settings.done():
        return _End.ORPHANED
    assignment = Assignment.decode(orders.settings.result())
    logs.configure(assignment.config.log.level, process="worker", slot=assignment.slot)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, orders.drain.set)
    async with main.worker(
        assignment.config,
        assignment.data,
        SystemClock(),
        seat=assignment.seat,
        keys=assignment.keys,
        handing=orders.open_for_keys,
        salt=assignment.salt,
        link=link,
        listener=listener,
        handed=assignment.certificate,
    ) as door:
        garbage.settle()
        link.send(Kind.READY)
        loop = asyncio.get_running_loop()
        draining = loop.create_task(orders.drain.wait())
        retiring = loop.create_task(_retire(orders, door, assignment.config))
        reloading = loop.create_task(_reload(orders, door))
        ends: set[asyncio.Future[Any]] = {link.lost, draining, retiring}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        told = draining.done() or retiring.done()
        for task in (draining, retiring, reloading):
            task.cancel()
        if told:
            await door.stop()
            return _End.DRAINED
        _log.error("control_process_gone")
        # What waits for the store has its answer already: the link's end was its failure.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(door.stop(), ORPHAN_ENDS_WITHIN_S)
    return _End.ORPHANED


async def _reload(orders: _Orders, door: Serving) -> None:
    """Read the TLS files again whenever told to."""
    while True:
        await orders.reload.wait()
        orders.reload.clear()
        await door.reload_certificate()


async def _retire(orders: _Orders, door: Serving, config: Config) -> None:
    """Serve the connections that stand until they end, once a successor accepts."""
    await orders.retire.wait()
    # An idle connection ends after idle_seconds by itself; an answer under way has its deadline.
    await door.retire(
        config.http.idle_seconds + config.verify.deadline_seconds + config.http.write_seconds
    )


def run() -> int:
    """Run a worker in this process; return its exit code."""
    # Ctrl-C and a hang-up reach every process of the group: the control process decides.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logs.configure("info", process="worker")  # until the assignment says more
    keep_memory_private()
    link_end, listener = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    for inherited in (link_end, listener):
        inherited.setblocking(False)
        inherited.set_inheritable(False)
    try:
        return uvloop.run(work(link_end, listener)).value
    except (
        OtherVersionError,
        StoreError,
        StoreRefusedError,
        TlsError,
        VaultError,
    ) as error:
        # The control process sees an exit code only: say why here.
        _log.error("worker_failed", error=str(error))
        return 1
    except Exception:  # noqa: BLE001 - the process's boundary
        _log.exception("worker_failed")
        return 1


if __name__ == "__main__":
    sys.exit(run())
