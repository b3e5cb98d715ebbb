"""Imports of keys: all or nothing, yet never in the way of verifications for long.

One transaction over a hundred thousand rows would keep every verification waiting for its
end. So a large import is staged: its rows come in small transactions, with a negative
version -n that says "of import n". While meta names n as the unfinished import, those rows
are not there for anybody; removing that name makes all of them appear at once. From then on
-n reads as version 1 (the first administrative change writes 2).

A crash leaves staged rows that nobody sees; the next start or import removes them.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import BigInteger, cast, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.otp.ports import NewKey, StoreError
from server.storage.books.imports import chunks, refuse_known, refuse_repeated
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    IMPORT_SEQUENCE,
    UNFINISHED_IMPORT,
    meta,
    otp_key,
    otp_key_record,
)

_CHUNK = 500
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
    """Adds keys to the embedded store."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._one_at_a_time = asyncio.Lock()

    async def add(self, keys: Sequence[NewKey]) -> None:
        """Create all keys, or none: KeyExistsError."""
        if not keys:
            return
        refuse_repeated(keys)
        async with self._one_at_a_time:
            await self.clean_up()
            if len(keys) <= _CHUNK:
                async with self._transactions.writing() as connection:
                    await refuse_known(connection, keys, _CHUNK)
                    await self._insert(connection, keys, version=1)
            else:
                try:
                    await self._add_staged(keys)
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

    async def _add_staged(self, keys: Sequence[NewKey]) -> None:
        # All of them are looked for first, so that the first known one is named.
        async with self._transactions.reading() as connection:
            await refuse_known(connection, keys, _CHUNK)
        async with self._transactions.writing() as connection:
            number = await next_number(connection, IMPORT_SEQUENCE)
            await connection.execute(insert(meta).values(name=UNFINISHED_IMPORT, value=str(number)))
        # In the order of the file's pages, each of which is then written once.
        for chunk in chunks(sorted(keys), _CHUNK):
            async with self._transactions.writing() as connection:
                await self._insert(connection, chunk, version=-number)
        async with self._transactions.writing() as connection:
            await _finish(connection)

    async def _insert(
        self, connection: AsyncConnection, keys: Sequence[NewKey], *, version: int
    ) -> None:
        now_us = await self._transactions.now_us(connection)
        # Straight to the driver: SQLAlchemy would take its time over each row, on the loop.
        await connection.exec_driver_sql(_ADD_RECORDS, [(*key, now_us) for key in keys])
        hot = [(key.public_id, version, _ROOM) for key in keys]
        await connection.exec_driver_sql(_ADD_COUNTERS, hot)


async def _finish(connection: AsyncConnection) -> None:
    await connection.execute(delete(meta).where(meta.c.name == UNFINISHED_IMPORT))
