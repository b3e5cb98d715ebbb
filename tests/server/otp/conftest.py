"""Rooms for the tests, on every store that needs no server of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import pytest

from hsm.filevault import FileVault
from hsm.keyfile import SealingKey
from hsm.vault import Vault
from server.otp.settings import VerifierSettings
from tests.server.memory_store import MemoryStore
from tests.server.otp.room import GENEROUS, Room
from tests.server.still_clock import StillClock
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


@pytest.fixture(params=["memory"])
async def open_room(request: pytest.FixtureRequest) -> AsyncIterator[OpenRoom]:
    closers: list[Callable[[], Awaitable[None]]] = []

    async def open_it(
        *,
        policy: Policy = GENEROUS,
        settings: VerifierSettings = VerifierSettings(),  # noqa: B008 - a frozen value
        vault: Callable[[Vault], Vault] = lambda vault: vault,
    ) -> Room:
        clock = StillClock()
        store = MemoryStore(clock=clock, default_policy=policy)
        closers.append(store.close)
        return Room(store, vault(file_vault()), clock, policy=policy, settings=settings)

    yield open_it
    for close in closers:
        await close()


@pytest.fixture
async def room(open_room: OpenRoom) -> Room:
    """Return a room with no limit to speak of."""
    return await open_room()
