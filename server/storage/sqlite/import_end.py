"""The end of an import into the embedded store: one transaction, with which everything appears.

What changes rows that are there already belongs into it too. Counters of too many of them are
raised before, in pieces, with an entry of the journal of their own: they stay raised.
"""

from collections.abc import Awaitable, Callable, Sequence

from server.journal.acts import Deed
from server.moving.ports import Gathered
from server.moving.states import raising_deed
from server.storage.books.journal_book import record
from server.storage.books.transactions import Transactions
from server.storage.sqlite import import_statements as sql
from server.storage.sqlite.checkpoint import Checkpointer
from server.storage.sqlite.hot import Change

_AT_ONCE = 2_000
"""Counters that are raised within the last transaction, so with all the rest or not at all."""


class Ending:
    """Makes last changes together with the journal's entry, on an administrative connection."""

    def __init__(self, transactions: Transactions, checkpoints: Checkpointer) -> None:
        self._transactions = transactions
        self._checkpoints = checkpoints

    async def commit(self, changes: Sequence[Change], deed: Deed) -> None:
        """Make changes and write the entry, durably and at once."""
        # May be a lot, which a checkpoint's last pass should not find in its way (checkpoint.py).
        await self._checkpoints.finished()
        async with self._transactions.writing() as connection:
            for change in changes:
                if change.rows:
                    # A statement without parameters comes with one empty row.
                    rows = list(change.rows) if change.rows[0] else None
                    await connection.exec_driver_sql(change.statement, rows)
            await record(self._transactions.now_us, connection, deed)
        # What an administrative change writes is counted already; this is what comes on top.
        self._checkpoints.note(sum(change.log_pages for change in changes))


class LastChanges:
    """What an import changes of rows that are there: gathered here until its end.

    write: as that of `KeyImport`; deed: the import's entry in the journal.
    """

    def __init__(
        self,
        ending: Ending,
        write: Callable[[Sequence[Change]], Awaitable[None]],
        deed: Deed,
    ) -> None:
        self._ending = ending
        self._write = write
        self._deed = deed
        self._raising: list[Change] = []
        self._told = False

    async def raise_counters(self, change: Change) -> None:
        """Raise counters at the end, or before it when there are too many to wait."""
        if sql.rows_of(self._raising) >= _AT_ONCE:
            if self._told:
                await self._write(self._raising)
            else:
                # These stay raised whatever comes, so the journal tells of them now.
                await self._ending.commit(self._raising, raising_deed(self._deed))
            self._raising, self._told = [], True
        if change.rows:
            self._raising.append(change)

    async def commit(self, gathered: Gathered, revoked: Sequence[Change], now_us: int) -> None:
        """End the import: the rest of the counters, what is revoked, clients, everything else."""
        clients = sql.clients(await gathered.clients(), now_us)
        changes = [*self._raising, *revoked, *clients, sql.finish()]
        await self._ending.commit(changes, self._deed)
