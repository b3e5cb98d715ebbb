"""The control process's workers: started, watched, replaced when they die, drained at the end."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence

import structlog

from server.config import Config
from server.datadir import DataDirectory
from server.main import Control
from server.programs.assignment import Assignment
from server.programs.worker_process import START_WITHIN_S, Worker

_log = structlog.stdlib.get_logger(__name__)

LIVED_WELL_S = 30.0
"""A worker that lived this long died of something new: it is replaced without delay."""

LONGEST_DELAY_S = 2.0
"""Between starts, however often they fail: after an outage the service is back by itself.

Connections to the dead worker's socket wait for its successor meanwhile, and a fresh OTP has
to get OK within 10 s after a fault: the delay and a slow start have to fit into that.
"""


def replacement_delay_s(deaths_in_a_row: int) -> float:
    """Return how long to wait before the next start: none after a first death, then doubling."""
    if deaths_in_a_row <= 1:
        return 0.0
    return min(LONGEST_DELAY_S, 0.25 * 2.0 ** min(deaths_in_a_row - 2, 16))


class WorkerFailedError(Exception):
    """A worker ended before it was ready, at the start of the service."""


class Supervisor:
    """Keeps one worker on each listening socket.

    sockets: one per slot; they stay open here, so that connections wait in the kernel while a
    dead worker is replaced.
    """

    def __init__(
        self,
        *,
        config: Config,
        data: DataDirectory,
        sockets: Sequence[socket.socket],
    ) -> None:
        self._config = config
        self._data = data
        self._sockets = sockets
        self._control: Control | None = None
        self._workers: dict[int, Worker] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self.restarts = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when a slot cannot be kept any more: a fault of ours, never a worker's."""

    @property
    def ready_workers(self) -> int:
        """How many workers accept requests now."""
        return sum(worker.ready.is_set() for worker in self._workers.values())

    async def start(self, control: Control) -> None:
        """Start all workers; return when every one accepts. WorkerFailedError otherwise."""
        self._control = control
        firsts = [asyncio.Event() for _ in self._sockets]
        loop = asyncio.get_running_loop()
        self._keepers = [
            loop.create_task(self._keep(slot, first)) for slot, first in enumerate(firsts)
        ]
        for keeper in self._keepers:
            keeper.add_done_callback(self._keeper_ended)
        waiting = loop.create_task(_all_set(firsts))
        try:
            await asyncio.wait(
                {waiting, *self._keepers},
                timeout=START_WITHIN_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not waiting.done():
                await self._raise_first_failure()
        finally:
            waiting.cancel()

    async def _raise_first_failure(self) -> None:
        for keeper in self._keepers:
            if keeper.done():
                await keeper
        raise WorkerFailedError(
            f"not all workers were ready within {START_WITHIN_S:.0f} s. Is the machine overloaded?"
        )

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and not self.failed.done():
            fault = keeper.exception()
            if fault is not None:
                self.failed.set_exception(fault)
                self.failed.exception()  # whether or not anybody asks: no complaint at the end

    async def _keep(self, slot: int, first: asyncio.Event) -> None:
        """Keep a worker on a slot until the service stops."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._stopping.is_set():
            began = loop.time()
            how = await self._employ(slot, first)
            if self._stopping.is_set():
                return
            if not first.is_set():
                raise WorkerFailedError(
                    f"worker {slot} did not get ready ({how}); the lines above say why"
                )
            lived_s = loop.time() - began
            deaths = 1 if lived_s >= LIVED_WELL_S else deaths + 1
            delay_s = replacement_delay_s(deaths)
            self.restarts += 1
            _log.error(
                "worker_died", slot=slot, how=how, lived_s=round(lived_s, 3), replaced_in_s=delay_s
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _employ(self, slot: int, first: asyncio.Event) -> str:
        """Run one worker on a slot until it ends; return how it ended."""
        try:
            worker = await self._spawn(slot)
        except OSError as error:
            return f"could not be started: {error.strerror}"  # no memory, no processes left
        self._workers[slot] = worker
        announcing = asyncio.get_running_loop().create_task(self._announce(slot, worker, first))
        try:
            await worker.watch()
        finally:
            announcing.cancel()
            worker.ready.clear()
            worker.kill()
        return f"process {worker.process.pid}, {_ended(worker.process.returncode)}"

    async def _spawn(self, slot: int) -> Worker:
        if self._control is None:
            raise RuntimeError("the supervisor was not started")
        ours, theirs = socket.socketpair()
        listening = self._sockets[slot].fileno()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # the current directory must not decide what `server` is
                    "-m",
                    "server.programs.worker",
                    str(theirs.fileno()),
                    str(listening),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=2,  # standard output is for the ready line
                    pass_fds=(theirs.fileno(), listening),
                )
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        worker = Worker(process, ours, self._control.desk)
        shown = self._control.certificate
        await worker.assign(
            Assignment(
                slot=slot,
                data=self._data,
                config=self._config,
                key_id=self._control.key_id,
                salt=self._control.salt,
                certificate="" if shown is None else shown.credentials.certificate.fingerprint,
            )
        )
        return worker

    async def _announce(self, slot: int, worker: Worker, first: asyncio.Event) -> None:
        await worker.ready.wait()
        _log.info("worker_ready", slot=slot, worker=worker.process.pid)
        first.set()

    async def stop(self) -> None:
        """Let every worker finish what it accepted, then end; kill those that do not."""
        self._stopping.set()
        for worker in self._workers.values():
            worker.drain()
        patience_s = self._config.http.drain_seconds + self._config.verify.deadline_seconds + 5
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=patience_s)
            if late:
                _log.error("workers_killed", count=len(late), after_s=patience_s)
                self.kill()
                await asyncio.wait(late, timeout=5.0)

    def kill(self) -> None:
        """End every worker at once."""
        self._stopping.set()
        for worker in self._workers.values():
            worker.kill()


async def _all_set(events: Sequence[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


def _ended(code: int | None) -> str:
    if code is None:
        return "still ending"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
        return f"signal {-code}"
    return f"exit code {code}"


def forget_tallies(data: DataDirectory) -> None:
    """Remove the counts of a former service: counters start at zero with the service."""
    for file in data.run.glob("tally-*"):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
