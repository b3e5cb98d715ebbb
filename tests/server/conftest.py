"""For all tests of the server package: one PostgreSQL, a clean database for each; loggers."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from server.storage.schema import SEQUENCES, metadata
from server.storage.upgrade import upgrade
from tests.postgres_server import PostgresServer

_CLEAN = ";".join(
    [f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)]  # noqa: S608
    + [f"INSERT INTO sequence VALUES ('{name}', 0)" for name in SEQUENCES]  # noqa: S608
    + [f"INSERT INTO journal_head VALUES (1, 0, '\\x{bytes(32).hex()}')"]  # noqa: S608
    + [f"INSERT INTO ledger_head VALUES (1, 0, '\\x{bytes(32).hex()}')"]  # noqa: S608
)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL until the tests end; whoever stops it must start it again.

    Without fsync: no test here takes the power away, and the disk is not theirs alone.
    """
    with PostgresServer({"fsync": "off"}) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_with_schema(postgres_server: PostgresServer) -> str:
    """Return the URL of the database that `postgres_url` cleans and lends out."""
    url = postgres_server.new_database()
    # In a thread: a test's event loop may be running here already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(upgrade(url))).result()
    return url


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_with_schema: str) -> str:
    """Return the URL of a database with the current schema and nothing in it."""
    postgres_server.execute(_CLEAN, database=postgres_with_schema.rpartition("/")[2])
    return postgres_with_schema


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> str:
    """Return the URL of a database without a schema."""
    return postgres_server.new_database()


@pytest.fixture
def loggers_as_before() -> Iterator[None]:
    """Put every logger back afterwards: for tests that run what a program runs, in this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("aiohttp.access", "aiohttp.server", "asyncio", "sqlalchemy", "alembic", "aiosqlite")
    kept = {
        name: (logging.getLogger(name).level, logging.getLogger(name).disabled) for name in names
    }
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, (old_level, disabled) in kept.items():
        logging.getLogger(name).setLevel(old_level)
        logging.getLogger(name).disabled = disabled
    structlog.reset_defaults()
