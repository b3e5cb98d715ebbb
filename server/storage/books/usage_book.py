"""What was answered, in the store: added in parcels, each once; read in slots; pruned."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, Row, Select, delete, func, literal, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.leases import Lease
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import Transactions
from server.storage.schema import usage_minute as table
from server.storage.schema import usage_sender
from server.usage.kinds import KINDS
from server.usage.ports import Parcel, Slot

_PRUNED_AT_ONCE = 1_000
_MINUTE_US = 60_000_000


class SqlUsageBook:
    """Keeps `server.usage.ports.UsageBook`."""

    _transactions: Transactions

    async def add_usage(self, parcel: Parcel) -> int:
        """Add a parcel's counts unless they were added already; return the store's time."""
        if not parcel.rows:
            async with self._transactions.reading() as connection:
                return await self._transactions.now_us(connection)
        async with self._transactions.writing() as connection:
            now_us = await self._transactions.now_us(connection)
            # First, so that one which is sent again waits for the end of its first attempt.
            if await _is_new(connection, parcel, now_us):
                offer = _dialect(connection).insert(table)
                more = {kind: table.c[kind] + offer.excluded[kind] for kind in KINDS}
                added = offer.on_conflict_do_update(
                    index_elements=[table.c.minute, table.c.client_id], set_=more
                )
                # In one order everywhere: two processes that add to the same rows never wait
                # for each other in a circle.
                rows = [
                    {"minute": row.minute, "client_id": row.client_id}
                    | dict(zip(KINDS, row.counts, strict=True))
                    for row in sorted(parcel.rows)
                ]
                await connection.execute(added, rows)
            return now_us

    async def client_usage(self, client_id: int, first: int, end: int, step: int) -> Sequence[Slot]:
        """Return a client's minutes in slots, each minute looked up by itself."""
        if first >= end:
            return []
        # All minutes of the range, joined: the table is in order of minutes, and a scan would
        # read every other client's rows too.
        minutes = select(literal(first, BigInteger).label("minute")).cte("minutes", recursive=True)
        minutes = minutes.union_all(select(minutes.c.minute + 1).where(minutes.c.minute + 1 < end))
        found = minutes.join(
            table, (table.c.minute == minutes.c.minute) & (table.c.client_id == client_id)
        )
        return await self._slots(_in_slots(step).select_from(found))

    async def total_usage(
        self, first: int, end: int, step: int, left_out: Collection[int]
    ) -> Sequence[Slot]:
        """Return all clients' minutes in slots, without the clients that are left out."""
        return await self._slots(
            _in_slots(step).where(
                table.c.minute >= first,
                table.c.minute < end,
                table.c.client_id.not_in(sorted(left_out)),
            )
        )

    async def prune_usage(self, before: int, lease: Lease | None = None) -> int:
        """Remove old rows, not too many; return how many. LeaseLostError."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            key = tuple_(table.c.minute, table.c.client_id)
            oldest = (
                select(table.c.minute, table.c.client_id)
                .where(table.c.minute < before)
                .order_by(table.c.minute, table.c.client_id)
                .limit(_PRUNED_AT_ONCE)
            )
            pruned = (await connection.execute(delete(table).where(key.in_(oldest)))).rowcount
            if pruned == 0:
                # A parcel of theirs that came now would be of minutes that are pruned as well.
                silent = delete(usage_sender).where(usage_sender.c.heard_us < before * _MINUTE_US)
                await connection.execute(silent)
            return pruned

    async def _slots(self, statement: Select[Any]) -> Sequence[Slot]:
        async with self._transactions.reading() as connection:
            return [_slot(row) for row in await connection.execute(statement)]


async def _is_new(connection: AsyncConnection, parcel: Parcel, now_us: int) -> bool:
    """Note that a parcel is here; tell whether it was not before."""
    noted = _dialect(connection).insert(usage_sender)
    values = {"number": parcel.number, "heard_us": now_us}
    marked = await connection.execute(
        noted.values(sender=parcel.sender, **values)
        .on_conflict_do_update(
            index_elements=[usage_sender.c.sender],
            set_=values,
            where=usage_sender.c.number < parcel.number,
        )
        .returning(usage_sender.c.number)
    )
    return marked.scalar_one_or_none() is not None


def _dialect(connection: AsyncConnection) -> Any:  # noqa: ANN401 - two modules of one shape
    return sqlite if connection.dialect.name == "sqlite" else postgresql


def _in_slots(step: int) -> Select[Any]:
    start = (table.c.minute - table.c.minute % step).label("start")
    counts = (func.sum(table.c[kind]) for kind in KINDS)
    return select(start, *counts).group_by(start).order_by(start)


def _slot(row: Row[Any]) -> Slot:
    counts: list[int]
    start, *counts = row
    return Slot(start, tuple(int(count) for count in counts))
