"""The book of seals: what every record is sealed under, and its exchange for another one.

A record is exchanged only if it is still what was read: whoever changed it meanwhile wins. That
a seal is retired stands in `meta`, and is asked after the journal's entry was written: the
journal's head is locked from there to the commit, so either the record is there when the seal is
to be retired, or the seal is retired when the record is to be stored.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    Table,
    and_,
    case,
    column,
    func,
    insert,
    literal,
    or_,
    select,
    update,
    values,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from hsm.seals import SEALED_OCTETS, STRICT, STRICT_OCTETS, describe
from server.journal.acts import Deed
from server.leases import Lease
from server.otp.ports import StaleSealError
from server.resealing.ports import Kind, RecordsLeftError, SealedRecord, Swap
from server.storage.books.imports import one_at_a_time
from server.storage.books.journal_book import record
from server.storage.books.lease_book import require_lease
from server.storage.books.transactions import Transactions
from server.storage.schema import PublicId, api_key, meta, otp_key_record

_RETIRED = "retired-seal/"

_TABLES: Mapping[Kind, tuple[Table, str, str]] = {
    Kind.OTP: (otp_key_record, "public_id", "generation"),
    Kind.SECRETS: (api_key, "client_id", "key_id"),
}
"""Where the records of a kind are, and the two columns of a record's place."""


class SqlResealingBook:
    """Keeps `server.resealing.ports.ResealingBook`."""

    _transactions: Transactions

    async def count_seals(self) -> Mapping[Kind, Mapping[bytes, int]]:
        """Return how many records there are under each seal. Reads everything."""
        async with self._transactions.reading() as connection:
            return {kind: await _count(connection, kind) for kind in Kind}

    async def not_under(
        self, kind: Kind, seal: bytes, after: SealedRecord | None, limit: int
    ) -> Sequence[SealedRecord]:
        """Return up to `limit` records beyond `after` that are under another seal, in order."""
        async with self._transactions.reading() as connection:
            rows = await connection.execute(_others(kind, seal, after).limit(limit))
            return [SealedRecord((row[0], row[1]), row[2]) for row in rows]

    async def swap(self, kind: Kind, swaps: Sequence[Swap], *, lease: Lease) -> int:
        """Put new records in the place of old ones, each only if the old one is still there."""
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            return len((await connection.execute(_exchange(kind, swaps))).all())

    async def retire_seals(
        self, kind: Kind, seals: Collection[bytes], *, lease: Lease, deed: Deed
    ) -> None:
        """Let no record be under these seals any more; RecordsLeftError when there is one."""
        if not seals:
            return
        async with self._transactions.writing() as connection:
            await require_lease(self._transactions.now_us, connection, lease)
            await one_at_a_time(connection)
            known = await _retired(connection, kind)
            for seal in sorted(set(seals) - known):
                name = f"{_RETIRED}{kind}/{seal.hex()}"
                await connection.execute(insert(meta).values(name=name, value=""))
            await record(self._transactions.now_us, connection, deed)
            # Only now: who stored a record before has committed, or will find the seal retired.
            counted = await _count(connection, kind)
            left = sum(counted.get(seal, 0) for seal in seals)
            if left:
                raise RecordsLeftError(kind, left)

    async def retired_seals(self, kind: Kind) -> frozenset[bytes]:
        """Return the seals that were retired."""
        async with self._transactions.reading() as connection:
            return await _retired(connection, kind)


async def refuse_retired(connection: AsyncConnection, kind: Kind, seals: Iterable[bytes]) -> None:
    """Refuse new records under a seal that is retired; StaleSealError, and nothing is stored.

    seals: what the records are under. To be asked after `record`, in the transaction that stores
    them.
    """
    brought = frozenset(seals)
    if brought:
        stale = brought & await _retired(connection, kind)
        if stale:
            raise StaleSealError(describe(min(stale)))


async def _retired(connection: AsyncConnection, kind: Kind) -> frozenset[bytes]:
    prefix = f"{_RETIRED}{kind}/"
    names = await connection.scalars(
        select(meta.c.name).where(meta.c.name.startswith(prefix, autoescape=True))
    )
    return frozenset(bytes.fromhex(name.removeprefix(prefix)) for name in names)


async def _count(connection: AsyncConnection, kind: Kind) -> Mapping[bytes, int]:
    table = _TABLES[kind][0]
    seal = _begins(table.c.record)
    rows = await connection.execute(select(seal, func.count()).group_by(seal))
    return {bytes(row[0]): row[1] for row in rows}


def _octets(column_: ColumnElement[bytes], count: int) -> ColumnElement[bytes]:
    return func.substr(column_, 1, count, type_=LargeBinary)


def _begins(column_: ColumnElement[bytes]) -> ColumnElement[bytes]:
    """Return SQL for `seal_of` a record."""
    is_strict = _octets(column_, 1) == literal(STRICT, LargeBinary)
    return case((is_strict, _octets(column_, STRICT_OCTETS)), else_=_octets(column_, SEALED_OCTETS))


def _others(kind: Kind, seal: bytes, after: SealedRecord | None) -> Select[Any]:
    table, first, second = _TABLES[kind]
    place = (table.c[first], table.c[second])
    page = (
        select(*place, table.c.record)
        .where(_octets(table.c.record, len(seal)) != literal(seal, LargeBinary))
        .order_by(*place)
    )
    if after is None:
        return page
    name, number = after.place
    if kind is Kind.OTP:  # one record a public id
        return page.where(place[0] > name)
    return page.where(or_(place[0] > name, and_(place[0] == name, place[1] > number)))


def _exchange(kind: Kind, swaps: Sequence[Swap]) -> Any:  # noqa: ANN401 - a statement
    table, first, second = _TABLES[kind]
    name_type = PublicId if kind is Kind.OTP else BigInteger
    rows = [(*swap.old.place, swap.old.record, swap.new) for swap in swaps]
    named = (
        values(
            column("name", name_type),
            column("number", Integer),
            column("old", LargeBinary),
            column("new", LargeBinary),
            name="swap",
        )
        .data(rows)
        .cte("swap")
    )
    return (
        update(table)
        .where(
            table.c[first] == named.c.name,
            table.c[second] == named.c.number,
            table.c.record == named.c.old,
        )
        .values(record=named.c.new)
        # Drivers count no rows of a statement that begins with WITH.
        .returning(table.c[first])
    )
