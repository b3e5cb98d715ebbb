"""A whole database as rows, read from one snapshot and written into an empty one.

Every table that the database has is taken as it stands, so that no table of a later schema can
be forgotten. Rows are JSON arrays, one per line, in the order of the primary key; octets are in
base 64. Reading disturbs nobody: a reader's snapshot in SQLite's log, a repeatable read in
PostgreSQL.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    Connection,
    LargeBinary,
    MetaData,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hsm.provisioning.release_states import ReleaseState
from server.fleet.hosts import RESTORED, HostState
from server.journal.acts import Deed
from server.otp.ports import StoreUnavailableError
from server.storage.books.journal_book import record
from server.storage.books.transactions import reason
from server.storage.postgres.connection import (
    COMMITTING,
    UNREACHABLE,
    check_dsn,
    postgres_engine,
)
from server.storage.refusals import SchemaRefusedError
from server.storage.schema import UNFINISHED_IMPORT
from server.storage.sqlite.connection import (
    WRITES,
    is_no_database,
    prepare_database_file,
    sqlite_engine,
)
from server.storage.upgrade import REFUSALS, SchemaState, alembic_config, store_time_us

_ROWS = 2_000
_VERSION_TABLE = "alembic_version"
_DIGEST_OCTETS = 16
_TRIES, _PAUSE_S = 20, 0.1
Value = str | int | float | bool | bytes | None


class TableForm(NamedTuple):
    """A table's columns in the order of its rows. octets: those that hold octets."""

    name: str
    columns: tuple[str, ...]
    octets: frozenset[str]


class Tally(NamedTuple):
    """What can be said of all rows of a table, whatever their order.

    digest: the sum of the rows' hashes.
    """

    rows: int = 0
    digest: int = 0

    def add(self, lines: Iterable[bytes]) -> "Tally":
        """Return the tally with some more rows."""
        rows, digest = self
        for line in lines:
            rows += 1
            hashed = hashlib.sha256(line).digest()
            digest += int.from_bytes(hashed[:_DIGEST_OCTETS], "big")
        return Tally(rows, digest % (1 << (8 * _DIGEST_OCTETS)))


class Part(NamedTuple):
    """Some rows of a table. lines: one JSON array each, without line ends."""

    table: str
    lines: Sequence[bytes]


class Snapshot:
    """An open snapshot of a database."""

    def __init__(self, connection: AsyncConnection, revision: str, tables: Sequence[Table]) -> None:
        self._connection = connection
        self._tables = tables
        self.revision = revision
        self.forms = {table.name: _form(table) for table in tables}

    async def meta(self) -> dict[str, str]:
        """Return all named values."""
        rows = await self._connection.execute(text("SELECT name, value FROM meta"))
        return {row.name: row.value for row in rows}

    async def parts(self) -> AsyncIterator[Part]:
        """Yield all rows of all tables; those that others refer to come first."""
        for table in self._tables:
            form = self.forms[table.name]
            ordered = select(table).order_by(*table.primary_key.columns)
            rows = await self._connection.stream(ordered.execution_options(yield_per=_ROWS))
            async for portion in rows.partitions(_ROWS):
                yield Part(table.name, [encode_row(form, row) for row in portion])


@asynccontextmanager
async def snapshot(database: Path | str) -> AsyncIterator[Snapshot]:
    """Open a snapshot of a SQLite file (Path) or a PostgreSQL URL (str), also while it is used.

    Raises StoreUnavailableError and SchemaRefusedError.
    """
    async with _connection(database, writes=False) as connection:
        revision, tables = await connection.run_sync(_look)
        if revision is None:
            raise SchemaRefusedError(REFUSALS[SchemaState.EMPTY])
        yield Snapshot(connection, revision, tables)


class Filling:
    """An empty database that is being filled, within one transaction."""

    def __init__(self, connection: AsyncConnection, tables: Sequence[Table]) -> None:
        self._connection = connection
        self._tables = {table.name: table for table in tables}
        self._forms = {table.name: _form(table) for table in tables}

    async def add(self, part: Part, form: TableForm) -> None:
        """Insert rows. Raises ValueError when they do not fit into the table."""
        table = self._tables.get(part.table)
        if table is None or not set(form.columns) <= set(table.columns.keys()):
            raise ValueError(f"the backup has a table {part.table!r} of another form")
        rows = [decode_row(form, line) for line in part.lines]
        if rows:
            await self._connection.execute(insert(table), rows)

    async def tallies(self) -> dict[str, Tally]:
        """Read everything back and tally it."""
        tallies = dict.fromkeys(self._tables, Tally())
        read = Snapshot(self._connection, "", list(self._tables.values()))
        async for part in read.parts():
            tallies[part.table] = tallies[part.table].add(part.lines)
        return tallies

    async def settle_imports(self) -> None:
        """Make what a large import of SQLite's left behind into what every engine has.

        Rows of an unfinished import go; rows of a finished one get their version (schema.py).
        """
        key, sealed, meta = (self._tables[name] for name in ("otp_key", "otp_key_record", "meta"))
        number = await self._connection.scalar(
            select(meta.c.value).where(meta.c.name == UNFINISHED_IMPORT)
        )
        if number is not None:
            staged = select(key.c.public_id).where(key.c.version == -int(number))
            await self._connection.execute(delete(sealed).where(sealed.c.public_id.in_(staged)))
            await self._connection.execute(delete(key).where(key.c.version == -int(number)))
            if (kept := self._tables.get("kept_counter")) is not None:  # not of an older schema
                unfinished = kept.c.import_number == int(number)
                await self._connection.execute(delete(kept).where(unfinished))
            await self._connection.execute(delete(meta).where(meta.c.name == UNFINISHED_IMPORT))
        await self._connection.execute(update(key).where(key.c.version < 0).values(version=1))

    async def end_tokens(self) -> None:
        """Remove the tokens of operators: of which were revoked since, a backup knows nothing."""
        if (tokens := self._tables.get("operator_token")) is not None:  # not of an older schema
            await self._connection.execute(delete(tokens))

    async def withdraw_releases(self) -> None:
        """Hand out no release of a backup: it may have been taken since. Its key stays."""
        if (minted := self._tables.get("minted_key")) is not None:  # not of an older schema
            offered = minted.c.release_state == ReleaseState.OFFERED.value
            withdrawn = ReleaseState.WITHDRAWN.value
            await self._connection.execute(
                update(minted).where(offered).values(release_state=withdrawn, message=b"")
            )

    async def settle_fleet(self) -> None:
        """Mark hosts whose reports since the backup are lost, and end tokens nobody used by then.

        They may have been used since: whoever has one could enter in the host's name once more.
        """
        if (tokens := self._tables.get("fleet_token")) is None:  # of an older schema
            return
        await self._connection.execute(delete(tokens).where(tokens.c.host_id.is_(None)))
        hosts = self._tables["fleet_host"]
        unmarked = hosts.c.report_id.not_like(f"{RESTORED}%")
        marked = update(hosts).where(hosts.c.state == HostState.ACTIVE.value, unmarked)
        await self._connection.execute(marked.values(report_id=RESTORED + hosts.c.report_id))

    async def meta(self) -> dict[str, str]:
        """Return all named values that were filled in."""
        return await Snapshot(self._connection, "", []).meta()

    async def put_meta(self, values: Mapping[str, str]) -> None:
        """Set named values."""
        meta = self._tables["meta"]
        for name, value in values.items():
            await self._connection.execute(delete(meta).where(meta.c.name == name))
            await self._connection.execute(insert(meta).values(name=name, value=value))

    async def upgrade(self) -> None:
        """Bring the schema up to this program's."""
        await self._connection.run_sync(lambda c: command.upgrade(alembic_config(c), "head"))

    async def record(self, deed: Deed) -> None:
        """Write an entry into the journal, once the schema is this program's."""
        await record(store_time_us, self._connection, deed)


@asynccontextmanager
async def filling(database: Path | str, revision: str) -> AsyncIterator[Filling]:
    """Fill an empty database whose schema is made as of `revision`: all of it, or nothing.

    Raises StoreUnavailableError and SchemaRefusedError (not empty; revision unknown).
    """
    if isinstance(database, Path):
        prepare_database_file(database)
    async with _connection(database, writes=True) as connection:
        if await connection.run_sync(lambda c: inspect(c).get_table_names()):
            raise SchemaRefusedError(
                "The database is not empty, and a restore overwrites nothing. Name an empty one."
            )
        await _refuse_while_served(connection)
        try:
            await connection.run_sync(
                lambda c: command.upgrade(alembic_config(c), _known(c, revision))
            )
        except CommandError as error:
            raise SchemaRefusedError(
                "The backup was made by a newer Keystead. Restore it with that version."
            ) from error
        _, tables = await connection.run_sync(_look)
        for table in reversed(tables):  # what the schema's own steps have put there
            await connection.execute(delete(table))
        yield Filling(connection, tables)


async def _refuse_while_served(connection: AsyncConnection) -> None:
    """Raise SchemaRefusedError while a process would go on deciding in this database.

    It saw no fence when it began, and asks for none again.
    """
    if connection.dialect.name != "postgresql":
        return  # the data directory's lock
    alone = select(func.pg_try_advisory_xact_lock(COMMITTING))
    for _ in range(_TRIES):  # what was killed a moment ago may not have gone yet
        if await connection.scalar(alone):
            return
        await asyncio.sleep(_PAUSE_S)
    raise SchemaRefusedError(
        "Keystead processes are connected to the database, and would not see the fence. Stop"
        " every service that uses it, then restore again."
    )


def encode_row(form: TableForm, row: Sequence[Any]) -> bytes:
    """Return a row as a JSON array; `decode_row` is its inverse."""
    values = [
        base64.b64encode(value).decode() if name in form.octets and value is not None else value
        for name, value in zip(form.columns, row, strict=True)
    ]
    return json.dumps(values, separators=(",", ":"), ensure_ascii=True).encode()


def decode_row(form: TableForm, line: bytes) -> dict[str, Value]:
    """Read a row by its columns; ValueError when it is none."""
    values = json.loads(line)
    if not isinstance(values, list) or len(values) != len(form.columns):
        raise ValueError("a row has another form")
    row: dict[str, Value] = dict(zip(form.columns, values, strict=True))
    for name in form.octets:
        if isinstance(value := row[name], str):
            row[name] = base64.b64decode(value, validate=True)
    return row


def _form(table: Table) -> TableForm:
    octets = (column.name for column in table.columns if isinstance(column.type, LargeBinary))
    return TableForm(table.name, tuple(table.columns.keys()), frozenset(octets))


def _known(connection: Connection, revision: str) -> str:
    ScriptDirectory.from_config(alembic_config(connection)).get_revision(revision)
    return revision


def _look(connection: Connection) -> tuple[str | None, list[Table]]:
    """Return the schema's revision and its tables."""
    revision = MigrationContext.configure(connection).get_current_revision()
    found = MetaData()
    found.reflect(connection)
    return revision, [table for table in found.sorted_tables if table.name != _VERSION_TABLE]


@asynccontextmanager
async def _connection(database: Path | str, *, writes: bool) -> AsyncIterator[AsyncConnection]:
    engine = _engine(database)
    try:
        async with engine.connect() as connection:
            options: dict[str, object] = {WRITES: writes}
            if connection.dialect.name == "postgresql" and not writes:
                options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            await connection.execution_options(**options)
            async with connection.begin():
                yield connection
    except (SQLAlchemyError, *UNREACHABLE) as error:
        if is_no_database(error):
            raise SchemaRefusedError(f"{database} is not a Keystead database.") from error
        raise StoreUnavailableError(f"The database failed: {reason(error)}") from error
    finally:
        await engine.dispose()


def _engine(database: Path | str) -> AsyncEngine:
    if isinstance(database, Path):
        return sqlite_engine(database)
    check_dsn(database)
    return postgres_engine(database)
