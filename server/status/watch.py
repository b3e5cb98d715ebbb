"""Keeps one process up to date on what the status page shows.

What was read last stands while it cannot be read anew, so that the page is served while the store,
the vault or verification is down; it says itself how old it is.
"""

import asyncio
import contextlib

import structlog

from server.clock import Clock
from server.otp.ports import StoreError
from server.status.ports import SnapshotSource
from server.status.snapshot import Snapshot

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

INTERVAL_S = 5.0
"""How often it is read."""

PATIENCE_S = 20.0
"""How long a reading may take: one that hangs must not keep the next from being tried."""


class StatusWatch:
    """What one process knows, read from a source every few seconds."""

    def __init__(
        self, source: SnapshotSource, *, clock: Clock, interval_s: float = INTERVAL_S
    ) -> None:
        self._source = source
        self._clock = clock
        self._interval_s = interval_s
        self._fails = False
        self._task: asyncio.Task[None] | None = None
        self._snapshot: Snapshot | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """What was read last; None before anything was."""
        return self._snapshot

    def start(self) -> None:
        """Read from now on until `close`; nothing waits for the first reading."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End; what is known stays."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Read, or keep what was read last."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                self._snapshot = await self._source.status_snapshot()
        except Exception as fault:  # noqa: BLE001 - watching must not end, whatever the store has
            if not self._fails:
                words = str(fault) if isinstance(fault, StoreError) else type(fault).__qualname__
                _log.warning("status_not_read", error=words)
            self._fails = True
        else:
            self._fails = False

    async def _run(self) -> None:
        while True:
            due = self._clock.monotonic() + self._interval_s
            await self.refresh()
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
