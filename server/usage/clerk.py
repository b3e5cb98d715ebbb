"""Brings what a process counted to the store: every few seconds, each count exactly once.

What was counted is cut into minutes by the store's clock, as it was told with the last parcel and
goes on by the monotonic one: a host's clock that jumps moves nothing before the store itself says
so. The edge of a minute is as exact as the event loop is punctual.

A parcel that was not confirmed is sent again, unchanged and under the same number, until the store
says that it has it: whether the first attempt was committed is the store's to know. What is
counted meanwhile waits for the next parcel.
"""

import asyncio
import contextlib
from typing import Final

import structlog

from server.clock import Clock
from server.otp.ports import StoreError
from server.usage.counter import Counts, UsageCounter
from server.usage.ports import MAX_PARCEL_ROWS, MinuteRow, Parcel, UsageSink

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

INTERVAL_S = 5.0
"""How often counts are stored, so how much of them a killed process takes with it."""

MAX_ROWS = 50_000
"""Minutes of clients that wait in memory (about 20 MB). Beyond, clients are counted together."""

_GOODBYE_S = 5.0
_AGAIN_S = 0.2
_ASK_S = 60.0
_MINUTE_US: Final = 60_000_000
_MICROSECONDS: Final = 1_000_000


class UsageClerk:
    """Stores the counts of one process. sender: drawn at random for this process alone."""

    def __init__(
        self,
        sink: UsageSink,
        *,
        clock: Clock,
        sender: str,
        interval_s: float = INTERVAL_S,
        max_rows: int = MAX_ROWS,
    ) -> None:
        self.counter = UsageCounter(max_rows)
        self._sink = sink
        self._clock = clock
        self._sender = sender
        self._interval_s = interval_s
        self._max_rows = max_rows
        self._waiting: dict[int, Counts] = {}
        self._parcel: Parcel | None = None
        self._number = 0
        # Until the store has told its time, the host's is the best guess.
        self._ahead_us = clock.now_us() - round(clock.monotonic() * _MICROSECONDS)
        self._heard_at: float | None = None
        self._minute = self._minute_now()
        self._fails = False
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask the store for its time, and bring it counts from now on until `close`."""
        await self._turn()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Bring the store everything; give up after some seconds, and say what is lost.

        Whoever answers has to have ended before.
        """
        self._closing.set()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=_GOODBYE_S)
            if late:
                self._task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._task
        self._cut()
        if lost := self._unconfirmed():
            # At most: the last parcel may have been committed, and nobody could say so.
            _log.error("usage_lost", requests=lost)

    async def _run(self) -> None:
        while True:
            pause_s = self._pause_s()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause_s)
            last = self._closing.is_set()
            await self._turn()
            if last:
                if not self._fails:
                    return
                await asyncio.sleep(_AGAIN_S)

    def _pause_s(self) -> float:
        """Return how long to wait: the interval, or until the minute's edge if that is nearer."""
        left_us = _MINUTE_US - self._now_us() % _MINUTE_US
        return min(self._interval_s, left_us / _MICROSECONDS)

    async def _turn(self) -> None:
        """Take what was counted and bring it to the store; what fails is done next time."""
        self._cut()
        try:
            await self._send_all()
        except Exception as fault:  # noqa: BLE001 - counting must not end; see the module's words
            if not self._fails:
                words = str(fault) if isinstance(fault, StoreError) else type(fault).__qualname__
                _log.warning("usage_not_stored", error=words)
            self._fails = True
            return
        if self._fails:
            _log.info("usage_stored_again")
        self._fails = False
        if self._minute != self._minute_now():
            self._cut()  # the store's clock is another than was thought

    async def _send_all(self) -> None:
        while self._parcel is not None or self._waiting:
            if self._parcel is None:
                self._parcel = self._pack()
            await self._send(self._parcel)
            self._parcel = None
        heard = self._heard_at
        if heard is None or self._clock.monotonic() - heard >= _ASK_S:
            await self._send(Parcel(self._sender, self._number, ()))

    async def _send(self, parcel: Parcel) -> None:
        began = self._clock.monotonic()
        store_us = await self._sink.add_usage(parcel)
        ended = self._clock.monotonic()
        # Somewhere between the two it was that time.
        self._ahead_us = store_us - round((began + ended) / 2 * _MICROSECONDS)
        self._heard_at = ended

    def _pack(self) -> Parcel:
        """Take the oldest rows that wait, as many as a parcel holds."""
        rows: list[MinuteRow] = []
        for minute in sorted(self._waiting):
            clients = self._waiting[minute]
            rows.extend(
                MinuteRow(minute, client_id, tuple(clients.pop(client_id)))
                for client_id in sorted(clients)[: MAX_PARCEL_ROWS - len(rows)]
            )
            if clients:
                break
            del self._waiting[minute]
        self._number += 1
        return Parcel(self._sender, self._number, tuple(rows))

    def _cut(self) -> None:
        """Put what was counted to its minute, and begin with the minute that is now."""
        waiting = sum(len(clients) for clients in self._waiting.values())
        counts = self.counter.take(max(0, self._max_rows - waiting))
        if counts:
            known = self._waiting.setdefault(self._minute, {})
            for client_id, more in counts.items():
                before = known.get(client_id)
                known[client_id] = (
                    more if before is None else [a + b for a, b in zip(before, more, strict=True)]
                )
        self._minute = self._minute_now()

    def _minute_now(self) -> int:
        return self._now_us() // _MINUTE_US

    def _now_us(self) -> int:
        """Return the store's time, as far as it is known."""
        return round(self._clock.monotonic() * _MICROSECONDS) + self._ahead_us

    def _unconfirmed(self) -> int:
        rows = [] if self._parcel is None else [row.counts for row in self._parcel.rows]
        waiting = [counts for clients in self._waiting.values() for counts in clients.values()]
        return sum(map(sum, [*rows, *waiting]))
