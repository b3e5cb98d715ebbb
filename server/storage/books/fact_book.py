"""Facts in the store: appended with what they tell, read from durable positions, pruned."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from server.facts import Fact, NewFact
from server.journal.canonical import canonical, parse_object
from server.leases import Lease
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import StoreClock, Transactions
from server.storage.schema import FACT_SEQUENCE, fact, fact_reader, sequence

_PRUNED_AT_ONCE = 1_000
"""Nobody may wait long for the write turn."""


async def append_facts(
    clock: StoreClock, connection: AsyncConnection, facts: Sequence[NewFact]
) -> None:
    """Write facts down in the transaction of what they tell; only `record` may come after it.

    Their numbers stay locked until the commit: so a reader never finds a fact before an
    earlier one that is not committed yet, and one number says what it has read.
    """
    if not facts:
        return
    taken = await connection.execute(
        update(sequence)
        .where(sequence.c.name == FACT_SEQUENCE)
        .values(last=sequence.c.last + len(facts))
        .returning(sequence.c.last)
    )
    first = taken.scalar_one() - len(facts) + 1
    now_us = await clock(connection)
    await connection.execute(
        insert(fact),
        [
            {
                "position": position,
                "time_us": now_us,
                "kind": new.kind,
                "subject": new.subject,
                "detail": canonical(new.detail).decode(),
            }
            for position, new in enumerate(facts, first)
        ],
    )


async def move_reader(connection: AsyncConnection, reader: str, position: int) -> None:
    """Move a reader's position within the transaction of what it made of the facts.

    It never goes back. LookupError when there is no such reader.
    """
    moved = await connection.execute(
        update(fact_reader)
        .where(fact_reader.c.name == reader, fact_reader.c.position <= position)
        .values(position=position)
    )
    if moved.rowcount == 0:
        await _position(connection, reader)


class SqlFactBook:
    """Keeps `server.facts.FactBook`."""

    _transactions: Transactions

    async def subscribe(self, reader: str, *, from_start: bool = False) -> int:
        """Give a reader a position, once; return where it stands."""
        async with self._transactions.writing() as connection:
            newest = select(sequence.c.last).where(sequence.c.name == FACT_SEQUENCE)
            start = 0 if from_start else (await connection.execute(newest)).scalar_one()
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            new = dialect.insert(fact_reader).values(name=reader, position=start)
            await connection.execute(new.on_conflict_do_nothing())
            return await _position(connection, reader)

    async def unsubscribe(self, reader: str) -> None:
        """Forget a reader."""
        async with self._transactions.writing() as connection:
            await connection.execute(delete(fact_reader).where(fact_reader.c.name == reader))

    async def unread_facts(self, reader: str, limit: int) -> Sequence[Fact]:
        """Return up to `limit` facts beyond the reader's position, in order. LookupError."""
        async with self._transactions.reading() as connection:
            position = await _position(connection, reader)
            rows = await connection.execute(
                select(fact)
                .where(fact.c.position > position)
                .order_by(fact.c.position)
                .limit(limit)
            )
            return [_fact(row) for row in rows]

    async def advance_reader(self, reader: str, position: int, lease: Lease | None = None) -> None:
        """Note durably that a reader is done up to a position. LookupError, LeaseLostError."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            await move_reader(connection, reader, position)

    async def prune_facts(self, before_us: int, lease: Lease | None = None) -> int:
        """Remove old facts that every reader is done with, not too many; return how many."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            oldest = await connection.scalar(select(func.min(fact.c.position)))
            if oldest is None:
                return 0
            slowest = await connection.scalar(select(func.min(fact_reader.c.position)))
            last = oldest + _PRUNED_AT_ONCE - 1
            old = delete(fact).where(
                fact.c.time_us < before_us,
                fact.c.position <= (last if slowest is None else min(last, slowest)),
            )
            return (await connection.execute(old)).rowcount


async def _position(connection: AsyncConnection, reader: str) -> int:
    found = await connection.execute(
        select(fact_reader.c.position).where(fact_reader.c.name == reader)
    )
    position: int | None = found.scalar_one_or_none()
    if position is None:
        raise LookupError(f"no reader of facts is called {reader!r}: subscribe it first")
    return position


def _fact(row: Row[Any]) -> Fact:
    new = NewFact(row.kind, row.subject, parse_object(row.detail.encode()))
    return Fact(row.position, row.time_us, new)
