"""What was counted, rolled up in memory, for the store that keeps every port there."""

from collections.abc import Collection, Sequence

from server.incidents.intervals import Span
from server.leases import Lease
from server.ledger.entry import NewEntry
from server.maintenance.plan import Maintenance
from server.uptime.ports import ClosedDay
from server.uptime.rollup import Counted, ProbeMinute
from server.uptime.segment import ALL, Segment, Stretch, month_of
from server.uptime.states import day_entries
from server.usage.kinds import sums

_PRUNED_AT_ONCE = 500
_PACKED_AT_ONCE = 100


class MemoryUptime:
    """UptimeBook on dictionaries, over what was counted and announced in the same store."""

    _minutes: dict[tuple[int, int], tuple[int, ...]]
    _maintenances: dict[int, Maintenance]

    def __init__(self) -> None:
        super().__init__()
        self._probes: dict[int, ProbeMinute] = {}
        self._segments: dict[tuple[int, int], Segment] = {}
        self._days: dict[int, ClosedDay] = {}

    def _require(self, lease: Lease) -> None:
        raise NotImplementedError

    def append_ledger(self, entries: Sequence[NewEntry], now_us: int) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    async def add_probes(self, minutes: Sequence[ProbeMinute]) -> None:
        for minute, good, bad in minutes:
            known = self._probes.get(minute, ProbeMinute(minute, 0, 0))
            self._probes[minute] = ProbeMinute(minute, known.good + good, known.bad + bad)

    async def probe_minutes(self, first: int, end: int) -> Sequence[ProbeMinute]:
        return [one for minute, one in sorted(self._probes.items()) if first <= minute < end]

    async def counted(self, first: int, end: int) -> Sequence[Counted]:
        return [
            Counted(minute, client_id, *sums(counts))
            for (minute, client_id), counts in sorted(self._minutes.items())
            if first <= minute < end
        ]

    async def counted_for(self, client_id: int, first: int, end: int) -> Sequence[Counted]:
        return [one for one in await self.counted(first, end) if one.client_id == client_id]

    async def counted_together(
        self, first: int, end: int, left_out: Collection[int]
    ) -> Sequence[Counted]:
        found: dict[int, Counted] = {}
        for minute, client_id, *more in await self.counted(first, end):
            if client_id not in left_out:
                known = found.get(minute, Counted(minute, ALL, 0, 0, 0))
                added = (a + b for a, b in zip(known[2:], more, strict=True))
                found[minute] = Counted(minute, ALL, *added)
        return list(found.values())

    async def requests(self, first: int, end: int) -> int:
        return sum(one.good + one.bad + one.excluded for one in await self.counted(first, end))

    async def first_minute(self) -> int | None:
        return min([*(minute for minute, _ in self._minutes), *self._probes], default=None)

    async def last_closed(self) -> ClosedDay | None:
        return self._days[max(self._days)] if self._days else None

    async def closed(self, day: int) -> ClosedDay | None:
        return self._days.get(day)

    async def put_segments(self, segments: Sequence[Segment], lease: Lease) -> None:
        self._require(lease)
        self._segments |= {(one.client_id, one.first_day): one for one in segments}

    async def close_day(
        self, day: ClosedDay, together: Segment | None, known: ClosedDay | None, lease: Lease
    ) -> None:
        self._require(lease)
        self._days[day.day] = day
        self.append_ledger(day_entries(day, together, known), await self.store_time_us())

    async def segments(
        self, first_day: int, end_day: int, client_id: int | None = None
    ) -> Sequence[Segment]:
        newest = max(self._days, default=-1)
        return [
            one
            for _, one in sorted(self._segments.items())
            if client_id in {None, one.client_id}
            and one.first_day <= newest
            and one.first_day < end_day
            and one.first_day + len(one.days) > first_day
        ]

    async def stretches(
        self, first_day: int, end_day: int, client_id: int | None = None
    ) -> Sequence[Stretch]:
        return [one.stretch for one in await self.segments(first_day, end_day, client_id)]

    async def pack(self, client_id: int, month: Segment, lease: Lease) -> None:
        self._require(lease)
        days = range(month.first_day, month.first_day + len(month.days))
        for day in days:
            self._segments.pop((client_id, day), None)
        self._segments[client_id, month.first_day] = month

    async def unpacked(self, before_day: int) -> tuple[int, Sequence[int]] | None:
        of_days = [one for one in self._segments.values() if len(one.days) == 1]
        if not of_days:
            return None
        first, days = month_of(min(one.first_day for one in of_days))
        if first + days > before_day:
            return None
        clients = {one.client_id for one in of_days if first <= one.first_day < first + days}
        return first, sorted(clients)[:_PACKED_AT_ONCE]

    async def prune_segments(self, before_day: int, lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        old = [
            key
            for key, one in sorted(self._segments.items())
            if one.first_day + len(one.days) <= before_day
        ][:_PRUNED_AT_ONCE]
        for key in old:
            del self._segments[key]
        return len(old)

    async def maintenance_touching(self, span: Span) -> Sequence[Maintenance]:
        return [
            one
            for _, one in sorted(self._maintenances.items())
            if one.public
            and any(
                record.plan.span.start < span.end and record.plan.span.end > span.start
                for record in one.history
            )
        ]
