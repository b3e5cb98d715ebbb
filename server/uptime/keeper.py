"""Rolls up what is past: a day into segments, a month into one segment of each client.

A day is closed some time after its midnight, so that every process has brought its counts. Counts
that come later still, from a machine that was cut off, are found as long as the minutes stand, and
correct the day with an amendment.
"""

import asyncio
from collections.abc import Collection

from server.leases import Lease
from server.uptime.ports import ClosedDay, UptimeBook
from server.uptime.rollup import DayRoll, roll_probes
from server.uptime.segment import ALL, DAY_MINUTES, Segment, join, month_of, root_of

GRACE_MINUTES = 15
"""How long after midnight a day is closed: counts are stored every five seconds."""

LOOKED_AT_AGAIN_DAYS = 4
"""Counts that come up to three days late still correct a closed day.

A day is looked at again when others are closed, the last time so many midnights after its first.
"""

_MINUTE_US = 60_000_000
_READ_ROWS = 1_000
_PUT_AT_ONCE = 100


class UptimeKeeper:
    """Rolls up, under a lease. kept_days: how long minutes stand, so how far back one can look.

    notice_s: as of maintenance; the day keeps it, so that nobody computes it by another one later.
    """

    def __init__(
        self,
        book: UptimeBook,
        *,
        min_requests: int,
        left_out: Collection[int],
        kept_days: int,
        notice_s: int = 0,
    ) -> None:
        self._book = book
        self._min_requests = min_requests
        self._left_out = frozenset(left_out)
        self._kept_days = kept_days
        self._notice_s = notice_s

    async def work(self, lease: Lease) -> None:
        """Close the days that are due, look again at the last ones, and pack months."""
        now = await self._book.store_time_us() // _MINUTE_US
        due = (now - GRACE_MINUTES) // DAY_MINUTES
        last = await self._book.last_closed()
        days = await self._days(due, last)
        for day in days:
            await self._close(day, None, lease)
        if days and last is not None:
            oldest = max(due - LOOKED_AT_AGAIN_DAYS, now // DAY_MINUTES - self._kept_days + 1)
            for day in range(oldest, last.day + 1):
                await self._look_again(day, lease)
        await self._pack(due - LOOKED_AT_AGAIN_DAYS, lease)

    async def _days(self, due: int, last: ClosedDay | None) -> range:
        if last is not None:
            return range(last.day + 1, due)
        first = await self._book.first_minute()
        if first is None:
            return range(0)
        # A row of a clock that once stood at 1970 is no reason to close twenty thousand days.
        return range(max(first // DAY_MINUTES, due - self._kept_days), due)

    async def _look_again(self, day: int, lease: Lease) -> None:
        """Roll a day up again when there is more of it than there was."""
        known = await self._book.closed(day)
        if known is None:
            return
        first = day * DAY_MINUTES
        requests = await self._book.requests(first, first + DAY_MINUTES)
        if (requests, await self._probes(day)) != (known.requests, known.probes):
            await self._close(day, known, lease)

    async def _close(self, day: int, known: ClosedDay | None, lease: Lease) -> None:
        min_requests = self._min_requests if known is None else known.min_requests
        notice_s = self._notice_s if known is None else known.notice_s
        roll = DayRoll(day, min_requests=min_requests, left_out=self._left_out)
        at, end, step = day * DAY_MINUTES, (day + 1) * DAY_MINUTES, 1
        while at < end:
            rows = await self._book.counted(at, min(at + step, end))
            roll.take(rows)
            at += step
            # A little at once: whoever verifies has its turn between two readings.
            step = step * 2 if len(rows) < _READ_ROWS else max(1, step // 2)
            await asyncio.sleep(0)
        segments, probes = roll.segments(), await self._probes(day)
        laid = [*segments, *([] if probes is None else [probes])]
        for at in range(0, len(laid), _PUT_AT_ONCE):
            await self._book.put_segments(laid[at : at + _PUT_AT_ONCE], lease)
        closed = ClosedDay(
            day, root_of(segments), len(segments), roll.requests, min_requests, notice_s, probes
        )
        together = next((one for one in segments if one.client_id == ALL), None)
        await self._book.close_day(closed, together, known, lease)

    async def _probes(self, day: int) -> Segment | None:
        first = day * DAY_MINUTES
        return roll_probes(day, await self._book.probe_minutes(first, first + DAY_MINUTES))

    async def _pack(self, before_day: int, lease: Lease) -> None:
        while (found := await self._book.unpacked(before_day)) is not None:
            first_day, clients = found
            _, days = month_of(first_day)
            for client_id in clients:
                parts = await self._book.segments(first_day, first_day + days, client_id)
                await self._book.pack(client_id, join(parts, first_day, days), lease)
                await asyncio.sleep(0)
