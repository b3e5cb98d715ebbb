"""The control process's end of one worker: its process, its link, the calls it makes."""

import asyncio
import contextlib
import socket
from typing import Any

import structlog

from server.handed_keys import HandedKeys
from server.programs.assignment import Assignment
from server.storage.link.connection import Link
from server.storage.link.desk import StoreDesk
from server.storage.link.frames import CALLS, Frame, Kind

_log = structlog.stdlib.get_logger(__name__)

PING_EVERY_S = 2.0
SILENT_FOR_S = 20.0
"""A worker whose event loop does not answer this long is as good as dead, and is killed."""

START_WITHIN_S = 60.0
"""So is one that is not ready after this long: its socket's connections wait for nobody."""


class Worker:
    """One worker process and the control process's end of its link."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        end: socket.socket,
        desk: StoreDesk | None,
        *,
        ping_every_s: float = PING_EVERY_S,
        silent_for_s: float = SILENT_FOR_S,
    ) -> None:
        self._ping_every_s = ping_every_s
        self._silent_for_s = silent_for_s
        self.process = process
        self.ready = asyncio.Event()
        self._end = end
        self._desk = desk
        self._link: Link | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._ponged = asyncio.Event()
        self._has_keys = asyncio.Event()
        self.handed: HandedKeys | None = None
        """What it was given last."""

    async def assign(self, assignment: Assignment) -> None:
        """Open the link and send the worker its place."""
        self.handed = assignment.keys
        self._link = await Link.open(self._end, self._receive)
        self._link.send(Kind.SETTINGS, assignment.encode())

    def _receive(self, frame: Frame) -> None:
        if frame.kind in CALLS and self._desk is not None:
            task = asyncio.get_running_loop().create_task(self._answer(self._desk, frame))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)
        elif frame.kind is Kind.READY:
            self.ready.set()
        elif frame.kind is Kind.PONG:
            self._ponged.set()
        elif frame.kind is Kind.HAS_KEYS:
            self._has_keys.set()

    async def _answer(self, desk: StoreDesk, frame: Frame) -> None:
        answer = await desk.answer(frame)
        if self._link is not None:
            self._link.send(answer.kind, answer.body, answer.call)

    async def watch(self) -> None:
        """Return when the worker has ended; end it when it is silent or its link is broken."""
        if self._link is None:
            raise RuntimeError("the worker was assigned nothing")
        pings = asyncio.get_running_loop().create_task(self._ping(self._link))
        exit_ = asyncio.get_running_loop().create_task(self.process.wait())
        ends: set[asyncio.Future[Any]] = {self._link.lost, pings, exit_}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not exit_.done() and not self._link.lost.done():
                _log.error("worker_silent", worker=self.process.pid, seconds=self._silent_for_s)
            # A lost link mostly is the exit itself, seen early: the kernel closes files first.
            with contextlib.suppress(TimeoutError):
                if self._link.lost.done():
                    await asyncio.wait_for(asyncio.shield(exit_), 2.0)
            self.kill()
            await exit_
        finally:
            pings.cancel()
            self._link.abort()

    async def _ping(self, link: Link) -> None:
        try:
            await asyncio.wait_for(self.ready.wait(), START_WITHIN_S)
        except TimeoutError:
            return
        while True:
            self._ponged.clear()
            link.send(Kind.PING)
            try:
                await asyncio.wait_for(self._ponged.wait(), self._silent_for_s)
            except TimeoutError:
                return
            await asyncio.sleep(self._ping_every_s)

    def drain(self) -> None:
        """Ask the worker to finish what it accepted and to end."""
        if self._link is not None:
            self._link.send(Kind.DRAIN)

    def retire(self) -> None:
        """Ask the worker to accept nothing more, and to end when its connections have."""
        if self._link is not None:
            self._link.send(Kind.RETIRE)

    def reload(self) -> None:
        """Ask the worker to read the TLS files again."""
        if self._link is not None:
            self._link.send(Kind.RELOAD)

    async def hand_keys(self, keys: HandedKeys) -> None:
        """Give the worker other keys; return when it has them, or will never ask for any."""
        if self._link is None:
            return
        # A worker that starts just now reads them after its place, and in this order.
        self.handed = keys
        self._has_keys.clear()
        self._link.send(Kind.KEYS, keys.encode())
        has = asyncio.get_running_loop().create_task(self._has_keys.wait())
        ends: set[asyncio.Future[Any]] = {has, self._link.lost}
        try:
            await asyncio.wait(
                ends, timeout=self._silent_for_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            has.cancel()

    def kill(self) -> None:
        """End the process at once, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
