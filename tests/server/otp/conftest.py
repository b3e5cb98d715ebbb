"""Rooms for the tests, on every store that needs no server of its own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from hsm.filevault import FileVault
from hsm.keyfile import SealingKey
from hsm.vault import Vault
from server.otp.settings import VerifierSettings
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


def file_vault() -> FileVault:
    return FileVault(SealingKey.of(bytes(range(32))))


@pytest.fixture(params=["memory", "sqlite"])
async def open_room(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenRoom]:
    keepers: list[Keeper] = []

    async def open_it(
        *,
        policy: Policy = GENEROUS,
        settings: VerifierSettings = VerifierSettings(),  # noqa: B008 - a frozen value
        vault: Callable[[Vault], Vault] = lambda vault: vault,
    ) -> Room:
        keeper: Keeper
        if request.param == "memory":
            keeper = MemoryKeeper(policy)
        else:
            keeper = SqliteKeeper(tmp_path / "store.sqlite", policy)
        keepers.append(keeper)
        return Room(
            await keeper.open(), vault(file_vault()), keeper.clock, policy=policy, settings=settings
        )

    yield open_it
    for keeper in keepers:
        await keeper.close()


@pytest.fixture
async def room(open_room: OpenRoom) -> Room:
    """Return a room with no limit to speak of."""
    return await open_room()
