"""Rooms for the tests, on every store that needs no server of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import Vault
from server.otp.settings import VerifierSettings
from server.storage.upgrade import upgrade
from tests.server.otp.room import GENEROUS, Room
from tests.server.storage.keepers import Keeper, MemoryKeeper, SqliteKeeper
from validation.gcra import Policy


class OpenRoom(Protocol):
    async def __call__(
        self,
        *,
        policy: Policy = GENEROUS,
        settings: VerifierSettings = ...,
        vault: Callable[[Vault], Vault] = ...,
    ) -> Room:
        """Open a room; `vault` may put something between the room and its vault."""
        ...


def file_vault() -> SealedVault:
    return SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with an empty schema, to be copied: making one takes longer than a test."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    # In a thread: a test's event loop may be running here already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(upgrade(path))).result()
    return path


@pytest.fixture(params=["memory", "sqlite"])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Policy], Keeper]:
    """Return what makes the keeper of a store, given the default limit."""
    if request.param == "memory":
        return MemoryKeeper
    path = tmp_path / "keystead.db"
    shutil.copy(request.getfixturevalue("empty_sqlite"), path)
    return lambda policy: SqliteKeeper(path, policy)


@pytest.fixture
async def open_room(keep: Callable[[Policy], Keeper]) -> AsyncIterator[OpenRoom]:
    keepers: list[Keeper] = []

    async def open_it(
        *,
        policy: Policy = GENEROUS,
        settings: VerifierSettings = VerifierSettings(),  # noqa: B008 - a frozen value
        vault: Callable[[Vault], Vault] = lambda vault: vault,
    ) -> Room:
        keeper = keep(policy)
        keepers.append(keeper)
        store = await keeper.open()
        return Room(keeper, store, vault(file_vault()), policy=policy, settings=settings)

    yield open_it
    for keeper in keepers:
        await keeper.close()


@pytest.fixture
async def room(open_room: OpenRoom) -> Room:
    """Return a room with no limit to speak of."""
    return await open_room()


@pytest.fixture
def keeper(room: Room) -> Keeper:
    """Return what stands behind `room`."""
    return room.keeper
