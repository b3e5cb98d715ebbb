"""Brings a database's schema up to date, for both engines, and tells how far it is.

A schema never goes back: an older program refuses a newer schema, and the way to return is
a backup.
"""

import asyncio
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.clock import SystemClock
from server.journal.acts import SYSTEM, Actor, Cause, Deed, Subject
from server.otp.ports import StoreUnavailableError
from server.storage.books.journal_book import record
from server.storage.books.transactions import reason
from server.storage.postgres.connection import check_dsn, postgres_engine
from server.storage.postgres.transactions import server_time_us
from server.storage.refusals import SchemaRefusedError
from server.storage.sqlite.connection import (
    WRITES,
    is_no_database,
    prepare_database_file,
    sqlite_engine,
)

OURSELVES = Cause(Actor(SYSTEM, "keystead"))
"""Who creates the schema of an empty database; its journal begins with more than that."""

_READ_WITHIN_S = 10.0
_MIGRATIONS = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 0x6B657973_74656164  # "keystead": two machines must not upgrade at once


class SchemaState(enum.StrEnum):
    """What a database's schema is, compared with what this program needs."""

    EMPTY = "empty"
    CURRENT = "current"
    OUTDATED = "outdated"
    NEWER = "newer"


async def schema_state(database: Path | str) -> SchemaState:
    """Compare the schema of a SQLite file (Path) or a PostgreSQL URL (str) with ours.

    Changes nothing; a file that does not exist is empty. Raises StoreUnavailableError and
    StoreRefusedError.
    """
    if isinstance(database, Path) and not await asyncio.to_thread(database.exists):
        return SchemaState.EMPTY
    async with _transaction(database, writes=False) as connection:
        return await connection.run_sync(_state)


async def upgrade(database: Path | str, cause: Cause = OURSELVES) -> None:
    """Create or upgrade the schema of a SQLite file (Path) or a PostgreSQL URL (str).

    All steps happen in one transaction, with the entry in the journal that an upgrade gets.
    Nothing else may use a SQLite file meanwhile. Raises StoreUnavailableError and
    StoreRefusedError (the schema is newer than we are).
    """
    if isinstance(database, Path):
        prepare_database_file(database)
    async with _transaction(database, writes=True) as connection:
        if connection.dialect.name == "postgresql":
            # Whoever comes second waits, and then finds nothing left to do.
            lock = text("SELECT pg_advisory_xact_lock(:number)")
            await connection.execute(lock, {"number": _UPGRADE_LOCK})
        state = await connection.run_sync(_state)
        if state is SchemaState.NEWER:
            raise SchemaRefusedError(REFUSALS[SchemaState.NEWER])
        before = await connection.run_sync(_revision)
        await connection.run_sync(_upgrade)
        if state is SchemaState.OUTDATED:
            after = {"revision": await connection.run_sync(_revision)}
            act, subject = cause.act("store.upgrade"), Subject("store", "")
            await record(store_time_us, connection, Deed(act, subject, {"revision": before}, after))


async def ensure_schema(database: Path | str, *, create: bool) -> None:
    """Refuse (SchemaRefusedError) a database that is not current; `create` fills an empty one."""
    state = await schema_state(database)
    if state is SchemaState.EMPTY and create:
        await upgrade(database)
    elif state is not SchemaState.CURRENT:
        raise SchemaRefusedError(REFUSALS[state])


REFUSALS = {
    SchemaState.EMPTY: (
        "The database is empty. Run `keystead init`, or `keystead store upgrade`, first."
    ),
    SchemaState.OUTDATED: (
        "The database was made by an older Keystead. Back it up, then run `keystead store upgrade`."
    ),
    SchemaState.NEWER: (
        "The database was made by a newer Keystead. Use that version, or restore a backup."
    ),
}


@asynccontextmanager
async def _transaction(database: Path | str, *, writes: bool) -> AsyncIterator[AsyncConnection]:
    engine = _engine(database, writes=writes)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(**{WRITES: writes})
            async with connection.begin():
                yield connection
    except (SQLAlchemyError, OSError) as error:
        if is_no_database(error):
            raise SchemaRefusedError(f"{database} is not a Keystead database.") from error
        raise StoreUnavailableError(
            f"The schema cannot be read or changed: {reason(error)}"
        ) from error
    finally:
        await engine.dispose()


def _engine(database: Path | str, *, writes: bool) -> AsyncEngine:
    if isinstance(database, Path):
        return sqlite_engine(database)
    check_dsn(database)
    # A server that went silent must not hold up a worker's start. A migration takes its time.
    return postgres_engine(database, command_timeout_s=None if writes else _READ_WITHIN_S)


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for migrations on an open connection."""
    config = Config()
    # A percent sign would be read as an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


async def store_time_us(connection: AsyncConnection) -> int:
    """Return the store's time, as its administrative transactions know it."""
    if connection.dialect.name == "postgresql":
        return await server_time_us(connection)
    return SystemClock().now_us()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _state(connection: Connection) -> SchemaState:
    found = _revision(connection)
    if found is None:
        return SchemaState.EMPTY
    script = ScriptDirectory.from_config(alembic_config(connection))
    if found == script.get_current_head():
        return SchemaState.CURRENT
    known = {revision.revision for revision in script.walk_revisions()}
    return SchemaState.OUTDATED if found in known else SchemaState.NEWER


def _upgrade(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")
