"""The schema: made by the migrations, the same as the tables in code, on both engines."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from server.storage.postgres.connection import postgres_engine
from server.storage.refusals import SchemaRefusedError
from server.storage.schema import metadata
from server.storage.sqlite.connection import WRITES, prepare_database_file, sqlite_engine
from server.storage.upgrade import SchemaState, ensure_schema, schema_state, upgrade

# What alembic does not compare: WITHOUT ROWID and CHECKs in the text of SQLite's tables;
# fill factors, collations and CHECKs in PostgreSQL's catalogue.
_CATALOGUE = {
    "sqlite": "SELECT name, sql FROM sqlite_master"
    " WHERE name NOT LIKE 'alembic%' AND name NOT LIKE 'sqlite%' ORDER BY name",
    "postgresql": """
    SELECT c.relname, c.reloptions::text, a.attname, t.typname, l.collname, a.attnotnull, NULL
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
      JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'alembic%'
    UNION ALL
    SELECT conrelid::regclass::text, NULL, conname, NULL, NULL, NULL, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
       AND conrelid::regclass::text NOT LIKE 'alembic%'
     ORDER BY 1, 3""",
}


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return an empty database."""
    if request.param == "sqlite":
        return tmp_path / "keystead.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
async def engine(database: Path | str) -> AsyncIterator[AsyncEngine]:
    """Return an engine on the database."""
    if isinstance(database, Path):
        prepare_database_file(database)
        engine = sqlite_engine(database)
    else:
        engine = postgres_engine(database)
    engine = engine.execution_options(**{WRITES: True})
    yield engine
    await engine.dispose()


async def test_an_empty_database_becomes_current_and_stays_so(database: Path | str) -> None:
    assert await schema_state(database) is SchemaState.EMPTY
    await upgrade(database)
    assert await schema_state(database) is SchemaState.CURRENT
    await upgrade(database)
    assert await schema_state(database) is SchemaState.CURRENT


async def test_the_migrated_schema_is_the_one_in_code(
    database: Path | str, engine: AsyncEngine
) -> None:
    await upgrade(database)

    def differences(connection: Connection) -> list[Any]:
        found: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
        return found

    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []
        catalogue = text(_CATALOGUE[connection.dialect.name])
        migrated = [_definition(row) for row in await connection.execute(catalogue)]
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert [_definition(row) for row in await connection.execute(catalogue)] == migrated
        assert len(migrated) >= len(metadata.tables)


def _definition(row: Sequence[Any]) -> Sequence[Any]:
    """Return a row of the catalogue; of a SQLite table's text, the definitions in any order.

    A column that a later step added stands behind the constraints there.
    """
    if len(row) != 2 or row[1] is None:
        return tuple(row)
    head, _, rest = row[1].partition("(")
    body, _, end = rest.rpartition(")")
    parts = re.split(r",(?![^(]*\))", body)
    return row[0], head, sorted(" ".join(part.split()) for part in parts), end.strip()


async def test_a_newer_schema_is_refused_and_left_alone(
    database: Path | str, engine: AsyncEngine
) -> None:
    await upgrade(database)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert await schema_state(database) is SchemaState.NEWER
    with pytest.raises(SchemaRefusedError, match="newer Keystead"):
        await upgrade(database)
    with pytest.raises(SchemaRefusedError, match="newer Keystead"):
        await ensure_schema(database, create=True)
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


async def test_an_outdated_schema_asks_for_the_upgrade(
    database: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upgrade(database)
    monkeypatch.setattr(ScriptDirectory, "get_current_head", lambda _script: "a later step")
    assert await schema_state(database) is SchemaState.OUTDATED
    with pytest.raises(SchemaRefusedError, match="keystead store upgrade"):
        await ensure_schema(database, create=True)


async def test_an_empty_database_is_filled_only_when_that_is_wanted(database: Path | str) -> None:
    with pytest.raises(SchemaRefusedError, match="keystead init"):
        await ensure_schema(database, create=False)
    assert await schema_state(database) is SchemaState.EMPTY
    await ensure_schema(database, create=True)
    assert await schema_state(database) is SchemaState.CURRENT


async def test_two_machines_upgrade_one_database_at_once(empty_postgres_url: str) -> None:
    await asyncio.gather(*(upgrade(empty_postgres_url) for _ in range(3)))
    assert await schema_state(empty_postgres_url) is SchemaState.CURRENT


async def test_asking_for_the_state_of_a_file_does_not_make_it(tmp_path: Path) -> None:
    assert await schema_state(tmp_path / "keystead.db") is SchemaState.EMPTY
    assert not await asyncio.to_thread((tmp_path / "keystead.db").exists)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keystead.db"
    path.write_bytes(b"something else entirely, and long enough to look at" * 20)
    for ask in (schema_state, upgrade):
        with pytest.raises(SchemaRefusedError, match="is not a Keystead database"):
            await ask(path)


async def test_a_failed_upgrade_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keystead.db"
    monkeypatch.setattr("alembic.op.bulk_insert", _refuse)
    with pytest.raises(RuntimeError, match="no"):
        await upgrade(path)
    monkeypatch.undo()
    assert await schema_state(path) is SchemaState.EMPTY
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    await upgrade(path)
    assert await schema_state(path) is SchemaState.CURRENT


def _refuse(*_: object) -> None:
    raise RuntimeError("no")
