"""The book for moving: what the store knows already, and everything on its way out."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Select, cast, exists, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.journal.acts import Deed
from server.moving.counters_file import Counters
from server.moving.ports import KnownClient, KnownKey, StoredClient, StoredKey
from server.storage.books.journal_book import record
from server.storage.books.key_book import VISIBLE
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    UNFINISHED_IMPORT,
    api_key,
    client,
    kept_counter,
    meta,
    otp_key,
    otp_key_record,
)

_unfinished = (
    select(cast(meta.c.value, BigInteger)).where(meta.c.name == UNFINISHED_IMPORT).scalar_subquery()
)
KEPT = kept_counter.c.import_number.is_distinct_from(_unfinished)
"""Counters of an import that has not ended are not there."""

_COUNTERS = ("public_id", "active", "session", "use", "clock", "nonce", "accepted_us")

_KEYS = (
    select(
        otp_key_record.c.generation,
        otp_key_record.c.record,
        *(otp_key.c[name] for name in _COUNTERS),
    )
    .join(otp_key, otp_key_record.c.public_id == otp_key.c.public_id)
    .where(VISIBLE)
)


class SqlMoveBook:
    """Keeps all of `server.moving.ports.MoveBook` but `move_in`, which each engine does its way."""

    _transactions: Transactions

    async def known_keys(self, public_ids: Sequence[str]) -> Mapping[str, KnownKey]:
        """Return those of the keys that exist."""
        rows = await self._rows(_KEYS.where(otp_key_record.c.public_id.in_(public_ids)))
        return {row[2]: KnownKey(row[0], row[1], _counters(row[2:])) for row in rows}

    async def known_clients(self, client_ids: Sequence[int]) -> Mapping[int, KnownClient]:
        """Return those of the clients that exist."""
        rows = await self._rows(select(client).where(client.c.id.in_(client_ids)))
        records = await self._records(client_ids)
        return {
            row.id: KnownClient(row.active, row.email, row.notes, records.get(row.id, {}))
            for row in rows
        }

    async def kept_counters(self, public_ids: Sequence[str]) -> Mapping[str, Counters]:
        """Return counters that an earlier import brought for keys which nobody has."""
        async with self._transactions.reading() as connection:
            return await read_kept(connection, public_ids)

    async def record_export(self, deed: Deed) -> None:
        """Write into the journal that a file is about to leave."""
        async with self._transactions.writing() as connection:
            await record(self._transactions.now_us, connection, deed)

    async def keys_out(self, after: str | None, limit: int) -> Sequence[StoredKey]:
        """Return up to `limit` keys beyond `after`, in order."""
        record = otp_key_record.c
        page = (
            select(
                record.public_id,
                record.serial,
                record.generation,
                record.record,
                record.created_us,
            )
            .join(otp_key, record.public_id == otp_key.c.public_id)
            .where(VISIBLE)
        )
        return [StoredKey._make(row) for row in await self._page(page, record, after, limit)]

    async def counters_out(self, after: str | None, limit: int) -> Sequence[Counters]:
        """Return up to `limit` keys' counters beyond `after`, in order."""
        page = (
            select(*(otp_key.c[name] for name in _COUNTERS), otp_key_record.c.created_us)
            .join(otp_key_record, otp_key_record.c.public_id == otp_key.c.public_id)
            .where(VISIBLE)
        )
        return [_counters(row) for row in await self._page(page, otp_key.c, after, limit)]

    async def kept_out(self, after: str | None, limit: int) -> Sequence[Counters]:
        """Return up to `limit` kept counters beyond `after`, in order."""
        has_key = exists(
            select(literal(1)).where(otp_key.c.public_id == kept_counter.c.public_id, VISIBLE)
        )
        page = _kept().where(~has_key)
        return [_counters(row) for row in await self._page(page, kept_counter.c, after, limit)]

    async def clients_out(self, after: int, limit: int) -> Sequence[StoredClient]:
        """Return up to `limit` clients beyond `after`, in order."""
        page = select(client).where(client.c.id > after).order_by(client.c.id).limit(limit)
        rows = await self._rows(page)
        records = await self._records([row.id for row in rows])
        return [
            StoredClient(
                row.id,
                row.name,
                row.active,
                row.created_us,
                row.email,
                row.notes,
                records.get(row.id, {}),
            )
            for row in rows
        ]

    async def _records(self, client_ids: Sequence[int]) -> Mapping[int, Mapping[int, bytes]]:
        rows = await self._rows(
            select(api_key.c.client_id, api_key.c.key_id, api_key.c.record)
            .where(api_key.c.client_id.in_(client_ids))
            .order_by(api_key.c.client_id, api_key.c.key_id)
        )
        found: dict[int, dict[int, bytes]] = {}
        for client_id, key_id, sealed in rows:
            found.setdefault(client_id, {})[key_id] = sealed
        return found

    async def _page(
        self,
        statement: Select[Any],
        columns: Any,  # noqa: ANN401 - a table's columns
        after: str | None,
        limit: int,
    ) -> Sequence[Any]:
        if after is not None:
            statement = statement.where(columns.public_id > after)
        return await self._rows(statement.order_by(columns.public_id).limit(limit))

    async def _rows(self, statement: Select[Any]) -> Sequence[Any]:
        async with self._transactions.reading() as connection:
            rows: Sequence[Any] = (await connection.execute(statement)).all()
            return rows


async def read_kept(
    connection: AsyncConnection, public_ids: Sequence[str]
) -> Mapping[str, Counters]:
    """Return counters that wait for their keys, of some public ids."""
    rows = await connection.execute(_kept().where(kept_counter.c.public_id.in_(public_ids)))
    return {row[0]: _counters(row) for row in rows}


def _kept() -> Select[Any]:
    return select(*(kept_counter.c[name] for name in _COUNTERS)).where(KEPT)


def _counters(row: Any) -> Counters:  # noqa: ANN401 - a row of many types
    public_id, active, session, use, clock, nonce, accepted_us, *created_us = row
    # The embedded store keeps room in the place of a nonce.
    nonce = "" if nonce.startswith("-") else nonce
    return Counters(public_id, bool(active), session, use, clock, nonce, accepted_us, *created_us)
