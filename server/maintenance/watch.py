"""Keeps one process up to date on what was announced: its phase, and what the public is shown.

The hot path looks at nothing here: whenever the phase becomes another, it is told. What was read
last stands while the store is away, so that a feed is served and windows begin and end meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from server.clock import Clock
from server.maintenance.counting import Phase, counting_spans, next_edge, phase_at
from server.maintenance.plan import Component, Maintenance
from server.maintenance.ports import MaintenanceSource
from server.otp.ports import StoreError

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

INTERVAL_S = 5.0
"""How old what a process knows may be."""

SHOWN_S = 90 * 86_400
"""How long what is over stays in the feed."""

_US: Final = 1_000_000


class MaintenanceWatch:
    """What one process knows. tell: called with the phase of validation when it is another."""

    def __init__(
        self,
        source: MaintenanceSource,
        *,
        clock: Clock,
        notice_s: int = 0,
        tell: Callable[[Phase], None] = lambda _: None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._source = source
        self._clock = clock
        self._notice_s = notice_s
        self._tell = tell
        self._interval_s = interval_s
        self._spans = counting_spans((), Component.VALIDATION, notice_s)
        self._phase: Phase | None = None
        self._fails = False
        self._task: asyncio.Task[None] | None = None
        self.announced: Sequence[Maintenance] | None = None
        """What was read last; None before anything was."""

    async def start(self) -> None:
        """Read once now, and go on until `close`."""
        await self.refresh()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End; what is known stays."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Read what was announced, or keep what was read last, and set the phase of now."""
        try:
            since_s = self._clock.now_us() // _US - SHOWN_S
            self.announced = await self._source.public_maintenance(since_s)
            self._spans = counting_spans(self.announced, Component.VALIDATION, self._notice_s)
        except Exception as fault:  # noqa: BLE001 - watching must not end, whatever the store has
            if not self._fails:
                words = str(fault) if isinstance(fault, StoreError) else type(fault).__qualname__
                _log.warning("maintenance_not_read", error=words)
            self._fails = True
        else:
            self._fails = False
        self.turn()

    def turn(self) -> None:
        """Tell the phase of now, if it is another."""
        phase = phase_at(self._spans, self._clock.now_us() // _US)
        if phase is not self._phase:
            self._phase = phase
            self._tell(phase)

    async def _run(self) -> None:
        due = self._clock.monotonic() + self._interval_s
        while True:
            await asyncio.sleep(max(0.0, min(due - self._clock.monotonic(), self._edge_s())))
            if self._clock.monotonic() < due:
                self.turn()
                continue
            await self.refresh()
            due = self._clock.monotonic() + self._interval_s

    def _edge_s(self) -> float:
        """Return the seconds until the phase may be another."""
        now_us = self._clock.now_us()
        edge = next_edge(self._spans, now_us // _US)
        return self._interval_s if edge is None else (edge * _US - now_us) / _US
