"""Moves everything from the embedded store to PostgreSQL, and compares the two.

At no moment can both be served from: the target says that it is incomplete until the source
says that it was moved. What is interrupted before that is begun anew.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Table, delete, func, insert, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.journal.acts import Cause, Deed, Subject
from server.otp.ports import StoreUnavailableError
from server.storage.books.journal_book import record
from server.storage.books.transactions import reason
from server.storage.postgres.connection import UNREACHABLE, check_dsn, postgres_engine
from server.storage.postgres.transactions import server_time_us
from server.storage.refusals import MovedStoreError
from server.storage.schema import MOVE_UNDER_WAY, MOVED_TO, meta, metadata
from server.storage.sqlite.connection import WRITES, sqlite_engine
from server.storage.upgrade import ensure_schema

_PAGE = 2_000
_THEIR_OWN = (MOVED_TO, MOVE_UNDER_WAY)

Tell = Callable[[int], None]


async def move(source: Path, target: str, tell: Tell, *, cause: Cause) -> Mapping[str, int]:
    """Move the SQLite file `source` to the PostgreSQL URL `target`; return rows by table.

    Nobody may use either meanwhile. tell: called with the number of rows copied or compared.
    Raises StoreRefusedError (the target is not empty, the source was moved elsewhere) and
    StoreUnavailableError; then the source is as it was, and the target is refused by `serve`.
    """
    check_dsn(target)
    await ensure_schema(source, create=False)
    await ensure_schema(target, create=True)
    async with _engine(sqlite_engine(source)) as old, _engine(postgres_engine(target)) as new:
        moved_to = await _meta(old, MOVED_TO)
        if moved_to not in {None, target}:
            raise MovedStoreError(f"this store was moved to {moved_to} already")
        if moved_to is None:
            await _begin(new, target)
            for table in metadata.sorted_tables:
                await _copy(old, new, table, tell)
        elif await _meta(new, MOVE_UNDER_WAY) is None:
            raise MovedStoreError(f"this store was moved to {target} already, to its end")
        counts = {table.name: await _compare(old, new, table, tell) for table in _tables()}
        if moved_to is None:
            async with _writing(old) as connection:
                await connection.execute(insert(meta).values(name=MOVED_TO, value=target))
        async with _writing(new) as connection:
            await connection.execute(delete(meta).where(meta.c.name == MOVE_UNDER_WAY))
            # Last, as every entry: the store goes on here, and its journal says since when.
            state = {"engine": "postgresql"}
            deed = Deed(cause.act("store.move"), Subject("store", ""), {"engine": "sqlite"}, state)
            await record(server_time_us, connection, deed)
        return counts


def _tables() -> Sequence[Table]:
    return metadata.sorted_tables


@asynccontextmanager
async def _engine(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    try:
        yield engine
    except (SQLAlchemyError, *UNREACHABLE) as error:
        raise StoreUnavailableError(f"the store cannot be moved: {reason(error)}") from error
    finally:
        await engine.dispose()


@asynccontextmanager
async def _writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        await connection.execution_options(**{WRITES: True})
        async with connection.begin():
            yield connection


async def _meta(engine: AsyncEngine, name: str) -> str | None:
    async with engine.connect() as connection:
        value: str | None = await connection.scalar(select(meta.c.value).where(meta.c.name == name))
        return value


async def _begin(new: AsyncEngine, target: str) -> None:
    """Make the target empty, if it is or holds what an interrupted move left there."""
    async with _writing(new) as connection:
        begun = await connection.scalar(
            select(meta.c.value).where(meta.c.name == MOVE_UNDER_WAY).with_for_update()
        )
        if begun is None:
            for name in ("client", "otp_key_record", "otp_key", "journal"):
                if await connection.scalar(select(func.count()).select_from(metadata.tables[name])):
                    raise MovedStoreError(
                        f"{target} is not empty: it has rows in {name}. Move to an empty database"
                    )
        for table in reversed(_tables()):
            await connection.execute(delete(table))
        await connection.execute(insert(meta).values(name=MOVE_UNDER_WAY, value="begun"))


async def _copy(old: AsyncEngine, new: AsyncEngine, table: Table, tell: Tell) -> None:
    async for page in _pages(old, table):
        async with _writing(new) as connection:
            await connection.execute(insert(table), [_plain(table, row) for row in page])
        tell(len(page))


async def _compare(old: AsyncEngine, new: AsyncEngine, table: Table, tell: Tell) -> int:
    """Return how many rows a table has on both sides; MovedStoreError when they differ."""
    before, after = await _digest(old, table, tell), await _digest(new, table, tell)
    if before != after:
        raise MovedStoreError(
            f"the copy of {table.name} is not what was copied ({before[0]} rows here,"
            f" {after[0]} there, or other contents): somebody writes to one of them. The store was"
            " not moved; find out who, and run the command again"
        )
    return before[0]


async def _digest(engine: AsyncEngine, table: Table, tell: Tell) -> tuple[int, str]:
    count = 0
    digest = hashlib.sha256()
    async for page in _pages(engine, table):
        for row in page:
            digest.update(repr(sorted(_plain(table, row).items())).encode())
        count += len(page)
        tell(len(page))
    return count, digest.hexdigest()


async def _pages(engine: AsyncEngine, table: Table) -> AsyncIterator[Sequence[Row[Any]]]:
    """Yield a table in the order of its primary key, without the marks of a move."""
    key = tuple_(*table.primary_key.columns)
    statement = select(table).order_by(*table.primary_key.columns).limit(_PAGE)
    if table is meta:
        statement = statement.where(meta.c.name.not_in(_THEIR_OWN))
    after = None
    while True:
        page = statement if after is None else statement.where(key > after)
        async with engine.connect() as connection:
            rows = (await connection.execute(page)).all()
        if not rows:
            return
        yield rows
        last = rows[-1]._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
        after = tuple_(*(last[column] for column in table.primary_key.columns))


def _plain(table: Table, row: Row[Any]) -> dict[str, Any]:
    """Return a row as both engines mean it: without what only the embedded store writes.

    There a version -n says "1, came with import n", and a nonce of hyphens keeps room.
    """
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    if table.name == "otp_key":
        values["version"] = 1 if values["version"] < 0 else values["version"]
        values["nonce"] = "" if values["nonce"].startswith("-") else values["nonce"]
    if table.name == "kept_counter":
        values["import_number"] = 0
    return values
