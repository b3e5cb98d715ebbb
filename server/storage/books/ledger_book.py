"""The ledger's tables: entries appended with what they tell of, payloads beside the chain."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.journal.acts import Act, Deed, Subject
from server.journal.canonical import MalformedError, canonical, parse_object
from server.journal.checkpoint import ChainName, Checkpoint
from server.journal.entry import End
from server.leases import Lease
from server.ledger.entry import SALT_OCTETS, Entry, Kind, NewEntry, Payload, append
from server.storage.books.checkpoint_rows import CheckpointRows
from server.storage.books.journal_book import record
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import StoreClock, Transactions
from server.storage.schema import (
    LEDGER_CHECKPOINT_SEQUENCE,
    ledger,
    ledger_checkpoint,
    ledger_head,
)

_CHECKPOINTS = CheckpointRows(ledger_checkpoint, LEDGER_CHECKPOINT_SEQUENCE, ChainName.LEDGER)
_ERASED_AT_ONCE = 500
"""Nobody may wait long for the write turn."""

Draw = Callable[[int], bytes]
"""Returns so many random octets."""


async def append_ledger(
    clock: StoreClock,
    connection: AsyncConnection,
    entries: Sequence[NewEntry],
    draw: Draw = secrets.token_bytes,
) -> None:
    """Append entries in the transaction of what they tell of; only `record` may come after it.

    clock: the store's time, `Transactions.now_us`. The ledger's head stays locked until the
    commit, and then the journal's: always in this order, after `append_facts`, or two would wait
    for each other in a circle. A payload that JSON cannot carry is a MalformedError, and rolls
    the change back.
    """
    if not entries:
        return
    end = await _end(connection, lock=True)
    # The time is read when the lock is held, so that it goes the way of the numbers.
    now_us = await clock(connection)
    rows: list[dict[str, object]] = []
    for new in entries:
        entry = append(end, new, now_us, draw(SALT_OCTETS))
        rows.append(_row(entry))
        end = entry.end
    await connection.execute(insert(ledger), rows)
    await connection.execute(update(ledger_head).values(sequence=end.sequence, hash=end.hash))


class SqlLedgerBook:
    """Keeps `server.ledger.ports.LedgerBook`."""

    _transactions: Transactions

    async def ledger_end(self) -> End:
        """Return where the chain ends."""
        async with self._transactions.reading() as connection:
            return await _end(connection, lock=False)

    async def add_ledger_checkpoint(
        self, checkpoint: Checkpoint, lease: Lease | None = None
    ) -> int:
        """Keep a checkpoint and return its number; LeaseLostError when the lease is lost."""
        return await _CHECKPOINTS.add(self._transactions, checkpoint, lease)

    async def ledger_checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        """Return up to `limit` checkpoints with a number beyond `after`, in order."""
        return await _CHECKPOINTS.page(self._transactions, after, limit)

    async def last_ledger_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint that was made last."""
        return await _CHECKPOINTS.last(self._transactions)

    async def erase_payload(self, sequence: int, *, act: Act) -> bool:
        """Erase a payload and its salt, and tell the journal; False when there was none."""
        async with self._transactions.writing() as connection:
            erased = await connection.execute(
                update(ledger)
                .where(ledger.c.sequence == sequence, ledger.c.payload.is_not(None))
                .values(salt=None, payload=None)
            )
            if erased.rowcount == 0:
                return False
            subject = Subject("ledger-entry", str(sequence))
            deed = Deed(act, subject, {"payload": "kept"}, {"payload": "erased"})
            await record(self._transactions.now_us, connection, deed)
            return True

    async def prune_payloads(self, kind: Kind, before_us: int, lease: Lease | None = None) -> int:
        """Erase payloads of a kind that are too old, not too many; return how many."""
        async with self._transactions.writing() as connection:
            if lease is not None:
                await require_lease(self._transactions.now_us, connection, lease)
            old = (
                select(ledger.c.sequence)
                .where(
                    ledger.c.kind == kind.value,
                    ledger.c.time_us < before_us,
                    ledger.c.payload.is_not(None),
                )
                .order_by(ledger.c.sequence)
                .limit(_ERASED_AT_ONCE)
            )
            which = ledger.c.sequence.in_(old)
            gone = await connection.execute(
                update(ledger).where(which).values(salt=None, payload=None)
            )
            return gone.rowcount

    async def ledger_entries(self, after: int, limit: int) -> Sequence[Entry]:
        """Return up to `limit` entries with a number beyond `after`, in order."""
        page = select(ledger).where(ledger.c.sequence > after).order_by(ledger.c.sequence)
        async with self._transactions.reading() as connection:
            return [_entry(row) for row in await connection.execute(page.limit(limit))]


async def _end(connection: AsyncConnection, *, lock: bool) -> End:
    statement = select(ledger_head.c.sequence, ledger_head.c.hash)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one()
    return End(row.sequence, row.hash)


def _row(entry: Entry) -> dict[str, object]:
    kept = entry.payload
    return {
        "sequence": entry.sequence,
        "time_us": entry.time_us,
        "kind": entry.kind,
        "subject": entry.subject,
        "digest": entry.payload_digest,
        "previous": entry.previous,
        "hash": entry.hash,
        "salt": None if kept is None else kept.salt,
        "payload": None if kept is None else canonical(kept.value).decode(),
    }


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        sequence=row.sequence,
        time_us=row.time_us,
        kind=row.kind,
        subject=row.subject,
        payload_digest=row.digest,
        previous=row.previous,
        hash=row.hash,
        payload=_payload(row.salt, row.payload),
    )


def _payload(salt: bytes | None, text: str | None) -> Payload | None:
    if salt is None and text is None:
        return None
    try:
        return Payload(salt or b"", parse_object((text or "").encode()))
    except (MalformedError, UnicodeEncodeError):
        # Somebody wrote to the table. The entry is still shown; its digest does not fit.
        return Payload(salt or b"", {"unreadable": True})
