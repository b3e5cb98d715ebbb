"""Every keeper in turn, with a small limit so that tests reach it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import (
    Keeper,
    MemoryKeeper,
    PostgresKeeper,
    SqliteKeeper,
    Store,
)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keeper]:
    """Return a keeper of the contract; tests that use it run against all of them."""
    made: Keeper
    match request.param:
        case "memory":
            made = MemoryKeeper(POLICY)
        case "sqlite":
            made = SqliteKeeper(tmp_path / "keystead.db", POLICY)
        case _:
            made = PostgresKeeper(request.getfixturevalue("postgres_url"), POLICY)
    yield made
    await made.close()


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[PostgresKeeper]:
    """Return the keeper on PostgreSQL alone."""
    made = PostgresKeeper(postgres_url, POLICY)
    yield made
    await made.close()


@pytest.fixture
async def store(keeper: Keeper) -> Store:
    """Return a handle on the keeper's store, with nothing in it."""
    return await keeper.open()
