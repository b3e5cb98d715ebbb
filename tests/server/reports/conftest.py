"""A store with three days in it, made once and copied for each test."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.reports.house import House, furnish, house


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store that was made once: rolling days up takes seconds."""
    path = tmp_path_factory.mktemp("house") / "keystead.db"
    # In a thread: a test's event loop may be running here already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(furnish(path))).result()
    return path


@pytest.fixture
async def here(furnished: Path, tmp_path: Path) -> AsyncIterator[House]:
    """Return the house on a copy of it."""
    shutil.copyfile(furnished, tmp_path / "keystead.db")
    async with house(tmp_path / "keystead.db") as made:
        yield made
