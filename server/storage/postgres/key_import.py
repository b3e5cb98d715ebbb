"""Imports of keys into PostgreSQL: one transaction, which keeps no verification waiting."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from server.journal.acts import Act, Deed
from server.otp.ports import KeyExistsError, NewKey
from server.otp.states import ImportSummary
from server.storage.books.imports import in_order, refuse_known, refuse_repeated
from server.storage.books.journal_book import record
from server.storage.books.transactions import Transactions

_CHUNK = 2_000

_ADD_RECORDS = """
INSERT INTO otp_key_record (public_id, generation, record, serial, created_us)
SELECT new.*, $5::bigint
  FROM unnest($1::text[], $2::int[], $3::bytea[], $4::text[]) AS new
    ON CONFLICT DO NOTHING RETURNING public_id
"""

_ADD_COUNTERS = """
INSERT INTO otp_key (public_id, active, version, session, use, clock, nonce,
                     accepted_us, accepted_client)
SELECT new, true, 1, -1, -1, 0, '', 0, 0 FROM unnest($1::text[]) AS new
"""


async def add_keys(transactions: Transactions, keys: Sequence[NewKey], act: Act) -> None:
    """Create all keys, or none: KeyExistsError."""
    await refuse_repeated(keys)
    summary = ImportSummary()
    async with transactions.writing() as connection:
        await refuse_known(connection, keys, _CHUNK)
        now_us = await transactions.now_us(connection)
        # In one order, so that two imports at once cannot wait for each other.
        async for chunk in in_order(keys, _CHUNK):
            await _add(connection, chunk, now_us)
            summary.add(chunk)
        if keys:
            deed = Deed(act, summary.subject, None, summary.state())
            await record(transactions.now_us, connection, deed)


async def _add(connection: AsyncConnection, keys: Sequence[NewKey], now_us: int) -> None:
    public_ids, generations, records, serials = (list(column) for column in zip(*keys, strict=True))
    added = await connection.exec_driver_sql(
        _ADD_RECORDS, (public_ids, generations, records, serials, now_us)
    )
    if missing := set(public_ids) - set(added.scalars()):
        # Another import brought it since we looked.
        raise KeyExistsError(min(missing))
    await connection.exec_driver_sql(_ADD_COUNTERS, (public_ids,))
