"""The control process's workers: started, watched, replaced when they die, drained at the end.

A worker can also be relieved: its successor accepts on the same socket before it accepts nothing
more, and it ends when its connections have. `relieve_all` does that with one after the other.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import structlog

from server.config import Config
from server.datadir import DataDirectory
from server.handed_keys import HandedKeys
from server.main import Control
from server.programs.assignment import Assignment
from server.programs.slot import Duty, Slot
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


class ReliefFailedError(Exception):
    """A successor did not get ready. Who worked before works on; the message says which one."""


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
        self._slots = [Slot(number) for number in range(len(sockets))]
        self._alive: dict[Worker, asyncio.Task[None]] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._handing: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self.restarts = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when a slot cannot be kept any more: a fault of ours, never a worker's."""

    @property
    def ready_workers(self) -> int:
        """How many workers accept requests now."""
        return sum(
            slot.duty is not None and slot.duty.worker.ready.is_set() for slot in self._slots
        )

    async def start(self, control: Control) -> None:
        """Start all workers; return when every one accepts. WorkerFailedError otherwise."""
        self._control = control
        control.keys.listen(self.hand_keys)
        firsts = [asyncio.Event() for _ in self._sockets]
        loop = asyncio.get_running_loop()
        self._keepers = [
            loop.create_task(self._keep(slot, first))
            for slot, first in zip(self._slots, firsts, strict=True)
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

    async def _keep(self, slot: Slot, first: asyncio.Event) -> None:
        """Keep a worker on a slot until the service stops."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._stopping.is_set():
            began = loop.time()
            how = await self._employ(slot, first)
            if self._stopping.is_set():
                return
            if how is None:
                deaths = 0
                continue
            if not first.is_set():
                raise WorkerFailedError(
                    f"worker {slot.number} did not get ready ({how}); the lines above say why"
                )
            lived_s = loop.time() - began
            deaths = 1 if lived_s >= LIVED_WELL_S else deaths + 1
            delay_s = replacement_delay_s(deaths)
            self.restarts += 1
            _log.error(
                "worker_died",
                slot=slot.number,
                how=how,
                lived_s=round(lived_s, 3),
                replaced_in_s=delay_s,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _employ(self, slot: Slot, first: asyncio.Event) -> str | None:
        """Have a worker on a slot until it ends; return how, None when it was relieved."""
        duty, slot.relief = slot.relief, None
        slot.relieved.clear()
        if duty is None:
            try:
                duty = await self._hire(slot, slot.seat)
            except OSError as error:
                return f"could not be started: {error.strerror}"  # no memory, no processes left
        loop = asyncio.get_running_loop()
        slot.duty, slot.seat = duty, duty.seat
        announcing = loop.create_task(self._announce(slot, duty.worker, first))
        relieved = loop.create_task(slot.relieved.wait())
        ends: set[asyncio.Future[Any]] = {duty.watching, relieved}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if slot.relieved.is_set() and not self._stopping.is_set():
                duty.worker.retire()
                return None
            await duty.watching
        finally:
            announcing.cancel()
            relieved.cancel()
        process = duty.worker.process
        return f"process {process.pid}, {_ended(process.returncode)}"

    async def _hire(self, slot: Slot, seat: str) -> Duty:
        """Start a worker for a slot and watch it; OSError when no process can be made."""
        worker = await self._spawn(slot, seat)
        watching = asyncio.get_running_loop().create_task(self._watch(worker))
        self._alive[worker] = watching
        self._not_behind(worker)
        watching.add_done_callback(lambda _: self._alive.pop(worker))
        if self._stopping.is_set():
            worker.drain()
        return Duty(worker, seat, watching)

    def _not_behind(self, worker: Worker) -> None:
        """Give a worker the keys that others were given while it was started."""
        keys = None if self._control is None else self._control.keys.hand()
        if keys is not None and keys != worker.handed:
            task = asyncio.get_running_loop().create_task(worker.hand_keys(keys))
            self._handing.add(task)
            task.add_done_callback(self._handing.discard)

    async def _watch(self, worker: Worker) -> None:
        try:
            await worker.watch()
        finally:
            worker.ready.clear()
            worker.kill()

    async def relieve_all(self) -> None:
        """Replace every worker, one after the other; ReliefFailedError ends it early.

        Each successor is ready before the one it relieves accepts nothing more, and that one
        has ended before the next slot's turn comes.
        """
        for slot in self._slots:
            if not self._stopping.is_set():
                await self._relieve(slot)

    async def _relieve(self, slot: Slot) -> None:
        try:
            successor = await self._hire(slot, slot.other_seat)
        except OSError as error:
            raise ReliefFailedError(
                f"no successor for worker {slot.number} could be started: {error.strerror}"
            ) from error
        ready = asyncio.get_running_loop().create_task(successor.worker.ready.wait())
        ends: set[asyncio.Future[Any]] = {ready, successor.watching}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._stopping.is_set():
            return
        if successor.watching.done():
            raise ReliefFailedError(
                f"the successor of worker {slot.number} did not get ready (process"
                f" {successor.worker.process.pid}, {_ended(successor.worker.process.returncode)});"
                " the lines above say why"
            )
        before = slot.duty
        slot.relief = successor
        slot.relieved.set()
        if before is not None:
            # Whether it ends well or badly: it is on duty no more.
            await asyncio.wait({before.watching})
            _log.info(
                "worker_relieved",
                slot=slot.number,
                worker=before.worker.process.pid,
                how=_ended(before.worker.process.returncode),
            )

    async def _spawn(self, slot: Slot, seat: str) -> Worker:
        if self._control is None:
            raise RuntimeError("the supervisor was not started")
        ours, theirs = socket.socketpair()
        listening = self._sockets[slot.number].fileno()
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
                slot=slot.number,
                seat=seat,
                data=self._data,
                config=self._config,
                keys=self._control.keys.hand(),
                salt=self._control.salt,
                certificate=None if shown is None else shown.handed,
            )
        )
        return worker

    async def _announce(self, slot: Slot, worker: Worker, first: asyncio.Event) -> None:
        await worker.ready.wait()
        _log.info("worker_ready", slot=slot.number, worker=worker.process.pid)
        first.set()

    def reload_certificates(self) -> None:
        """Let every worker read the TLS files again."""
        for worker in self._alive:
            worker.reload()

    async def hand_keys(self, keys: HandedKeys) -> None:
        """Give every worker other keys; return when each has them or has ended."""
        await asyncio.gather(*(worker.hand_keys(keys) for worker in tuple(self._alive)))

    async def stop(self) -> None:
        """Let every worker finish what it accepted, then end; kill those that do not."""
        self._stopping.set()
        for worker in self._alive:
            worker.drain()
        patience_s = self._config.http.drain_seconds + self._config.verify.deadline_seconds + 5
        ending = {*self._keepers, *self._alive.values()}
        if ending:
            _, late = await asyncio.wait(ending, timeout=patience_s)
            if late:
                _log.error("workers_killed", count=len(self._alive), after_s=patience_s)
                self.kill()
                await asyncio.wait(late, timeout=5.0)

    def kill(self) -> None:
        """End every worker at once."""
        self._stopping.set()
        for worker in self._alive:
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
