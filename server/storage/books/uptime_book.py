"""What was counted, rolled up in the store; and what probers found."""

from collections.abc import Collection, Sequence
from itertools import starmap
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.incidents.intervals import Span
from server.leases import Lease
from server.maintenance.plan import Maintenance, Step
from server.storage.books.lease_book import require_lease
from server.storage.books.ledger_book import append_ledger
from server.storage.books.maintenance_book import histories_of
from server.storage.books.transactions import Transactions
from server.storage.books.uptime_rows import read_stretch, row_segment, segment_row
from server.storage.schema import (
    maintenance_record,
    probe_minute,
    uptime_day,
    usage_minute,
)
from server.storage.schema import uptime_segment as table
from server.uptime.ports import ClosedDay
from server.uptime.rollup import Counted, ProbeMinute
from server.uptime.segment import ALL, PROBES, Segment, Stretch, month_of
from server.uptime.states import day_entries
from server.usage.kinds import KINDS, OUTCOMES, Outcome

_PRUNED_AT_ONCE = 500
_PACKED_AT_ONCE = 100


def _sum_of(outcome: Outcome) -> ColumnElement[int]:
    first, *more = (usage_minute.c[kind] for kind in KINDS if OUTCOMES[kind] is outcome)
    total: ColumnElement[int] = first
    for column in more:
        total = total + column
    return total


_GOOD, _BAD, _EXCLUDED = (_sum_of(outcome) for outcome in Outcome)
_MINUTE, _CLIENT = usage_minute.c.minute, usage_minute.c.client_id


async def add_probe_minutes(connection: AsyncConnection, minutes: Sequence[ProbeMinute]) -> None:
    """Add to what probers found, within the caller's transaction."""
    if not minutes:
        return
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    offer = dialect.insert(probe_minute)
    more = {name: probe_minute.c[name] + offer.excluded[name] for name in ("good", "bad")}
    added = offer.on_conflict_do_update(index_elements=[probe_minute.c.minute], set_=more)
    await connection.execute(added, [one._asdict() for one in sorted(minutes)])


class SqlUptimeBook:
    """Keeps `server.uptime.ports.UptimeBook`."""

    _transactions: Transactions

    async def add_probes(self, minutes: Sequence[ProbeMinute]) -> None:
        """Add to what probers found."""
        async with self._transactions.writing() as connection:
            await add_probe_minutes(connection, minutes)

    async def probe_minutes(self, first: int, end: int) -> Sequence[ProbeMinute]:
        """Return what probers found in some minutes, in order."""
        minute = probe_minute.c.minute
        found = select(probe_minute).where(minute >= first, minute < end).order_by(minute)
        async with self._transactions.reading() as connection:
            return [ProbeMinute(*row) for row in await connection.execute(found)]

    async def counted(self, first: int, end: int) -> Sequence[Counted]:
        """Return what all clients were answered, in order of minutes."""
        found = select(_MINUTE, _CLIENT, _GOOD, _BAD, _EXCLUDED)
        return await self._counted(_within(found, first, end).order_by(_MINUTE, _CLIENT))

    async def counted_for(self, client_id: int, first: int, end: int) -> Sequence[Counted]:
        """Return what one client was answered, each minute looked up by itself (usage_book)."""
        if first >= end:
            return []
        minutes = select(literal(first, BigInteger).label("minute")).cte("minutes", recursive=True)
        minutes = minutes.union_all(select(minutes.c.minute + 1).where(minutes.c.minute + 1 < end))
        found = minutes.join(usage_minute, (minutes.c.minute == _MINUTE) & (client_id == _CLIENT))
        wanted = select(_MINUTE, _CLIENT, _GOOD, _BAD, _EXCLUDED).select_from(found)
        return await self._counted(wanted.order_by(_MINUTE))

    async def counted_together(
        self, first: int, end: int, left_out: Collection[int]
    ) -> Sequence[Counted]:
        """Return what all but some were answered together, in order of minutes."""
        sums = (func.sum(one) for one in (_GOOD, _BAD, _EXCLUDED))
        found = _within(select(_MINUTE, literal(ALL), *sums), first, end)
        found = found.where(_CLIENT.not_in(sorted(left_out)))
        return await self._counted(found.group_by(_MINUTE).order_by(_MINUTE))

    async def requests(self, first: int, end: int) -> int:
        """Return how many requests were counted."""
        total = _within(select(func.sum(_GOOD + _BAD + _EXCLUDED)), first, end)
        async with self._transactions.reading() as connection:
            return int(await connection.scalar(total) or 0)

    async def first_minute(self) -> int | None:
        """Return the first minute in which anything was counted or probed."""
        async with self._transactions.reading() as connection:
            found = [
                await connection.scalar(select(func.min(column)))
                for column in (_MINUTE, probe_minute.c.minute)
            ]
        return min((one for one in found if one is not None), default=None)

    async def last_closed(self) -> ClosedDay | None:
        """Return the last day that was rolled up."""
        newest = select(func.max(uptime_day.c.day)).scalar_subquery()
        async with self._transactions.reading() as connection:
            return await _closed(connection, uptime_day.c.day == newest)

    async def closed(self, day: int) -> ClosedDay | None:
        """Return a day that was rolled up."""
        async with self._transactions.reading() as connection:
            return await _closed(connection, uptime_day.c.day == day)

    async def put_segments(self, segments: Sequence[Segment], lease: Lease) -> None:
        """Lay segments of one day down; they count when the day is closed."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            await _put(connection, [segment_row(one) for one in segments])

    async def close_day(
        self, day: ClosedDay, together: Segment | None, known: ClosedDay | None, lease: Lease
    ) -> None:
        """Close a day, or correct one, with its entry in the ledger."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            row = {
                "day": day.day,
                "root": day.root,
                "segments": day.segments,
                "requests": day.requests,
                "min_requests": day.min_requests,
                "notice_s": day.notice_s,
            }
            await connection.execute(delete(uptime_day).where(uptime_day.c.day == day.day))
            await connection.execute(insert(uptime_day).values(row))
            entries = day_entries(day, together, known)
            await append_ledger(self._transactions.now_us, connection, entries)

    async def segments(
        self, first_day: int, end_day: int, client_id: int | None = None
    ) -> Sequence[Segment]:
        """Return segments of closed days that touch a range, by client and time."""
        found = _touching(select(table), first_day, end_day, client_id)
        async with self._transactions.reading() as connection:
            return [row_segment(row) for row in await connection.execute(found)]

    async def stretches(
        self, first_day: int, end_day: int, client_id: int | None = None
    ) -> Sequence[Stretch]:
        """Return what figures need of the same segments."""
        columns = (table.c[name] for name in ("client_id", "first_day", "seen", "exceptions"))
        found = _touching(select(*columns), first_day, end_day, client_id)
        async with self._transactions.reading() as connection:
            return list(starmap(read_stretch, await connection.execute(found)))

    async def pack(self, client_id: int, month: Segment, lease: Lease) -> None:
        """Put a month's segment in the place of the client's segments of its days."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            end_day = month.first_day + len(month.days)
            days = (
                table.c.client_id == client_id,
                table.c.first_day >= month.first_day,
                table.c.first_day < end_day,
            )
            await connection.execute(delete(table).where(*days))
            await connection.execute(insert(table).values(segment_row(month)))

    async def unpacked(self, before_day: int) -> tuple[int, Sequence[int]] | None:
        """Return the first month with segments of days, and some clients that have any."""
        of_days = table.c.end_day == table.c.first_day + 1
        async with self._transactions.reading() as connection:
            oldest = await connection.scalar(select(func.min(table.c.first_day)).where(of_days))
            if oldest is None:
                return None
            first, days = month_of(oldest)
            if first + days > before_day:
                return None
            clients = (
                select(table.c.client_id)
                .where(of_days, table.c.first_day >= first, table.c.first_day < first + days)
                .distinct()
                .order_by(table.c.client_id)
                .limit(_PACKED_AT_ONCE)
            )
            return first, list(await connection.scalars(clients))

    async def prune_segments(self, before_day: int, lease: Lease | None = None) -> int:
        """Remove segments that end by a day, not too many; return how many."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            key = tuple_(table.c.client_id, table.c.first_day)
            old = (
                select(table.c.client_id, table.c.first_day)
                .where(table.c.end_day <= before_day)
                .order_by(table.c.client_id, table.c.first_day)
                .limit(_PRUNED_AT_ONCE)
            )
            return (await connection.execute(delete(table).where(key.in_(old)))).rowcount

    async def maintenance_touching(self, span: Span) -> Sequence[Maintenance]:
        """Return the maintenance that was announced and touches some seconds by any plan."""
        known = maintenance_record
        told = select(known.c.maintenance_id).where(known.c.step == Step.ANNOUNCE.value)
        touching = select(known.c.maintenance_id).where(
            known.c.start_s < span.end, known.c.end_s > span.start
        )
        number = known.c.maintenance_id
        async with self._transactions.reading() as connection:
            which = number.in_(touching) & number.in_(told)
            return await histories_of(connection, which)

    async def _counted(self, statement: Select[Any]) -> Sequence[Counted]:
        async with self._transactions.reading() as connection:
            # PostgreSQL's sums are decimals.
            return [Counted(*map(int, row)) for row in await connection.execute(statement)]


def _touching(
    statement: Select[Any], first_day: int, end_day: int, client_id: int | None
) -> Select[Any]:
    """Select segments of closed days that touch a range, by client and time."""
    newest = select(func.max(uptime_day.c.day)).scalar_subquery()
    # A month's segment begins at most 30 days before a day of it: so the key is used.
    found = statement.where(
        table.c.first_day > first_day - 31,
        table.c.first_day < end_day,
        table.c.end_day > first_day,
        table.c.first_day <= newest,
    )
    if client_id is not None:
        found = found.where(table.c.client_id == client_id)
    return found.order_by(table.c.client_id, table.c.first_day)


def _within(statement: Select[Any], first: int, end: int) -> Select[Any]:
    return statement.where(first <= _MINUTE, end > _MINUTE)


async def _put(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    offer = dialect.insert(table)
    names = ("end_day", "days", "seen", "exceptions")
    replaced = offer.on_conflict_do_update(
        index_elements=[table.c.client_id, table.c.first_day],
        set_={name: offer.excluded[name] for name in names},
    )
    await connection.execute(replaced, rows)


async def _closed(connection: AsyncConnection, which: ColumnElement[bool]) -> ClosedDay | None:
    row = (await connection.execute(select(uptime_day).where(which))).one_or_none()
    if row is None:
        return None
    found = await connection.execute(
        select(table).where(
            table.c.client_id == PROBES, table.c.first_day <= row.day, table.c.end_day > row.day
        )
    )
    probes = found.one_or_none()
    return ClosedDay(
        row.day,
        row.root,
        row.segments,
        row.requests,
        row.min_requests,
        row.notice_s,
        None if probes is None else row_segment(probes).day(row.day),
    )
