"""Checkpoints of a chain in their table: the journal's, and the ledger's."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, Table, insert, select

from server.journal.checkpoint import ChainName, Checkpoint
from server.journal.entry import End
from server.leases import Lease
from server.storage.books.lease_book import require_lease
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions


class CheckpointRows(NamedTuple):
    """The checkpoints of one chain. sequence: what numbers them."""

    table: Table
    sequence: str
    chain: ChainName

    async def add(
        self, transactions: Transactions, checkpoint: Checkpoint, lease: Lease | None
    ) -> int:
        """Keep a checkpoint and return its number; LeaseLostError when the lease is lost."""
        async with transactions.writing() as connection:
            if lease is not None:
                await require_lease(transactions.now_us, connection, lease)
            number = await next_number(connection, self.sequence)
            await connection.execute(
                insert(self.table).values(
                    number=number,
                    sequence=checkpoint.end.sequence,
                    hash=checkpoint.end.hash,
                    time_us=checkpoint.time_us,
                    key_id=checkpoint.key,
                    signature=checkpoint.signature,
                )
            )
            return number

    async def page(
        self, transactions: Transactions, after: int, limit: int
    ) -> Sequence[tuple[int, Checkpoint]]:
        """Return up to `limit` checkpoints with a number beyond `after`, in order."""
        number = self.table.c.number
        page = select(self.table).where(number > after).order_by(number).limit(limit)
        async with transactions.reading() as connection:
            rows = await connection.execute(page)
            return [(row.number, self._checkpoint(row)) for row in rows]

    async def last(self, transactions: Transactions) -> Checkpoint | None:
        """Return the checkpoint that was made last."""
        page = select(self.table).order_by(self.table.c.number.desc()).limit(1)
        async with transactions.reading() as connection:
            row = (await connection.execute(page)).one_or_none()
            return None if row is None else self._checkpoint(row)

    def _checkpoint(self, row: Row[Any]) -> Checkpoint:
        end = End(row.sequence, row.hash)
        return Checkpoint(end, row.time_us, row.key_id, row.signature, self.chain)
