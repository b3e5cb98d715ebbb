"""Imports of keys: all or nothing, yet never in the way of verifications for long.

One transaction over a hundred thousand rows would keep every verification waiting for its
end. So a large import is staged: its rows come in small transactions, with a negative
version -n that says "of import n". While meta names n as the unfinished import, those rows
are not there for anybody; removing that name makes all of them appear at once. From then on
-n reads as version 1 (the first administrative change writes 2).

A crash leaves staged rows that nobody sees; the next start or import removes them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from sqlalchemy import BigInteger, cast, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.clock import Clock
from server.journal.acts import Act, Deed
from server.otp.ports import NewKey, StoreError
from server.otp.states import ImportSummary
from server.storage.books.imports import in_order, refuse_known, refuse_repeated
from server.storage.books.journal_book import record
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    IMPORT_SEQUENCE,
    UNFINISHED_IMPORT,
    meta,
    otp_key,
    otp_key_record,
)
from server.storage.sqlite.hot import Change

_CHUNK = 250
"""Rows per transaction: a few milliseconds each, after which verifications have their turn."""

# A row must not grow when its key is first used: pages filled to the brim by an import would
# all split, and each split costs the commit a walk through the whole page cache. So a new row
# has the room of the longest nonce and of the numbers to come. No request has this nonce.
_ROOM = "-" * 52

_ADD_RECORDS = """
INSERT INTO otp_key_record (public_id, generation, record, serial, created_us)
VALUES (?, ?, ?, ?, ?)
"""

_ADD_COUNTERS = """
INSERT INTO otp_key (public_id, version, nonce, active, session, use, clock,
                     accepted_us, accepted_client)
VALUES (?, ?, ?, 1, -1, -1, 0, 0, 0)
"""


class KeyImport:
    """Adds keys to the embedded store.

    write: commits changes of many rows on the hot path's own connection, whose page cache
    another connection's commit would empty.
    """

    def __init__(
        self,
        transactions: Transactions,
        *,
        clock: Clock,
        write: Callable[[Sequence[Change]], Awaitable[None]],
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._write = write
        self._one_at_a_time = asyncio.Lock()

    async def add(self, keys: Sequence[NewKey], act: Act) -> None:
        """Create all keys, or none: KeyExistsError."""
        await refuse_repeated(keys)
        async with self._one_at_a_time:
            await self.clean_up()
            # Nobody else adds keys, so what is not known now will not be later.
            async with self._transactions.reading() as connection:
                await refuse_known(connection, keys, _CHUNK)
            if len(keys) <= _CHUNK:
                if keys:
                    await self._add_at_once(keys, act)
                return
            try:
                await self._add_staged(keys, act)
            except StoreError:
                # What cannot be removed now will be at the next start or import.
                with suppress(StoreError):
                    await self.clean_up()
                raise

    async def clean_up(self) -> None:
        """Remove what an import left behind that did not come to its end."""
        async with self._transactions.reading() as connection:
            number = await connection.scalar(
                select(cast(meta.c.value, BigInteger)).where(meta.c.name == UNFINISHED_IMPORT)
            )
        if number is None:
            return
        after = None
        while ids := await self._staged(number, after):
            async with self._transactions.writing() as connection:
                for table in (otp_key_record, otp_key):
                    await connection.execute(delete(table).where(table.c.public_id.in_(ids)))
            after = ids[-1]
        async with self._transactions.writing() as connection:
            await _finish(connection)

    async def _staged(self, number: int, after: str | None) -> list[str]:
        """Return the next public ids of an import; a scan, so not within the write turn."""
        ids = select(otp_key.c.public_id).where(otp_key.c.version == -number)
        if after is not None:
            ids = ids.where(otp_key.c.public_id > after)
        async with self._transactions.reading() as connection:
            page = ids.order_by(otp_key.c.public_id).limit(_CHUNK)
            return list(await connection.scalars(page))

    async def _add_at_once(self, keys: Sequence[NewKey], act: Act) -> None:
        """Add a few keys in the transaction that also writes the journal."""
        summary = ImportSummary()
        summary.add(sorted(keys))
        async with self._transactions.writing() as connection:
            for change in self._changes(keys, version=1):
                await connection.exec_driver_sql(change.statement, list(change.rows))
            await self._record(connection, act, summary)

    async def _add_staged(self, keys: Sequence[NewKey], act: Act) -> None:
        summary = ImportSummary()
        async with self._transactions.writing() as connection:
            number = await next_number(connection, IMPORT_SEQUENCE)
            await connection.execute(insert(meta).values(name=UNFINISHED_IMPORT, value=str(number)))
        # In the order of the file's pages, each of which is then written once.
        async for chunk in in_order(keys, _CHUNK):
            await self._write(self._changes(chunk, version=-number))
            summary.add(chunk)
        # Here the keys appear for everybody, and here is their entry in the journal.
        async with self._transactions.writing() as connection:
            await _finish(connection)
            await self._record(connection, act, summary)

    def _changes(self, keys: Sequence[NewKey], *, version: int) -> list[Change]:
        now_us = self._clock.now_us()
        records = [(*key, now_us) for key in keys]
        counters = [(key.public_id, version, _ROOM) for key in keys]
        return [Change(_ADD_RECORDS, records), Change(_ADD_COUNTERS, counters)]

    async def _record(self, connection: AsyncConnection, act: Act, summary: ImportSummary) -> None:
        deed = Deed(act, summary.subject, None, summary.state())
        await record(self._transactions.now_us, connection, deed)


async def _finish(connection: AsyncConnection) -> None:
    await connection.execute(delete(meta).where(meta.c.name == UNFINISHED_IMPORT))
