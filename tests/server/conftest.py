"""One PostgreSQL for all tests of the server package, a database per test."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.storage.upgrade import upgrade
from tests.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL until the tests end; whoever stops it must start it again."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """Return the name of a database with the schema, to be copied."""
    url = postgres_server.new_database()
    # In a thread: a test's event loop may be running here already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(upgrade(url))).result()
    return url.rpartition("/")[2]


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> str:
    """Return the URL of a database without a schema."""
    return postgres_server.new_database()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> str:
    """Return the URL of a database with an empty schema of the current version."""
    return postgres_server.new_database(template=postgres_template)
