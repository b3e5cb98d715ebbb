"""The journal's tables: entries written with the change they tell of, and the checkpoints."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.journal.acts import Act, Actor, Deed, State, Subject
from server.journal.canonical import MalformedError, canonical, parse_object
from server.journal.checkpoint import ChainName, Checkpoint
from server.journal.entry import End, Entry, append
from server.journal.ports import ALL, Selection
from server.leases import Lease
from server.storage.books.checkpoint_rows import CheckpointRows
from server.storage.books.transactions import StoreClock, Transactions
from server.storage.schema import CHECKPOINT_SEQUENCE, journal, journal_checkpoint, journal_head

_CHECKPOINTS = CheckpointRows(journal_checkpoint, CHECKPOINT_SEQUENCE, ChainName.JOURNAL)


async def record(clock: StoreClock, connection: AsyncConnection, deed: Deed) -> Entry:
    """Write the entry of a deed in the transaction that does it, and return the entry.

    clock: the store's time, `Transactions.now_us`. It comes last in the transaction: the
    head stays locked until the commit, and whoever locked something else afterwards could
    wait in a circle. Several entries may follow each other. A state that JSON cannot carry
    is a MalformedError, and rolls the change back.
    """
    end = await _end(connection, lock=True)
    # The time is read when the lock is held, so that it goes the way of the numbers.
    entry = append(end, deed, await clock(connection))
    act, subject, before, after = deed
    await connection.execute(
        insert(journal).values(
            sequence=entry.sequence,
            time_us=entry.time_us,
            actor_kind=act.actor.kind,
            actor_name=act.actor.name,
            action=act.action,
            object_kind=subject.kind,
            object_id=subject.id,
            reason=act.reason,
            before=_text(before),
            after=_text(after),
            previous=entry.previous,
            hash=entry.hash,
        )
    )
    await connection.execute(update(journal_head).values(sequence=entry.sequence, hash=entry.hash))
    return entry


class SqlJournalBook:
    """Keeps `server.journal.ports.JournalBook`."""

    _transactions: Transactions

    async def journal_end(self) -> End:
        """Return where the chain ends."""
        async with self._transactions.reading() as connection:
            return await _end(connection, lock=False)

    async def journal_entries(
        self, after: int, limit: int, which: Selection = ALL
    ) -> Sequence[Entry]:
        """Return up to `limit` entries with a number beyond `after`, in order."""
        page = _selected(which).where(journal.c.sequence > after)
        async with self._transactions.reading() as connection:
            rows = await connection.execute(page.order_by(journal.c.sequence).limit(limit))
            return [_entry(row) for row in rows]

    async def latest_entries(self, limit: int, which: Selection = ALL) -> Sequence[Entry]:
        """Return the last entries, at most `limit`, in order."""
        page = _selected(which).order_by(journal.c.sequence.desc()).limit(limit)
        async with self._transactions.reading() as connection:
            return [_entry(row) for row in reversed((await connection.execute(page)).all())]

    async def store_time_us(self) -> int:
        """Return the store's time, microseconds since the epoch."""
        async with self._transactions.reading() as connection:
            return await self._transactions.now_us(connection)

    async def add_checkpoint(self, checkpoint: Checkpoint, lease: Lease | None = None) -> int:
        """Keep a checkpoint and return its number; LeaseLostError when the lease is lost."""
        return await _CHECKPOINTS.add(self._transactions, checkpoint, lease)

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        """Return up to `limit` checkpoints with a number beyond `after`, in order."""
        return await _CHECKPOINTS.page(self._transactions, after, limit)

    async def last_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint that was made last."""
        return await _CHECKPOINTS.last(self._transactions)


async def _end(connection: AsyncConnection, *, lock: bool) -> End:
    statement = select(journal_head.c.sequence, journal_head.c.hash)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one()
    return End(row.sequence, row.hash)


def _selected(which: Selection) -> Select[Any]:
    statement = select(journal)
    if which.kind is not None:
        statement = statement.where(journal.c.object_kind == which.kind)
    if which.id is not None:
        statement = statement.where(journal.c.object_id == which.id)
    return statement


def _text(state: State | None) -> str | None:
    return None if state is None else canonical(state).decode()


def _state(text: str | None) -> State | None:
    if text is None:
        return None
    try:
        return parse_object(text.encode())
    except (MalformedError, UnicodeEncodeError):
        # Somebody wrote to the table. The entry is still shown; its hash does not fit.
        return {"unreadable": True}


def _entry(row: Row[Any]) -> Entry:
    act = Act(Actor(row.actor_kind, row.actor_name), row.action, row.reason)
    subject = Subject(row.object_kind, row.object_id)
    deed = Deed(act, subject, _state(row.before), _state(row.after))
    return Entry(row.sequence, row.time_us, deed, row.previous, row.hash)
