"""The desk for moving: nobody holds the one place for an import longer than they may."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from server.journal.acts import Actor
from server.moving.desk import ImportEndedError, MovingDesk, NoImportError
from tests.server.memory_store import MemoryStore
from tests.server.moving_bench import bench
from tests.server.still_clock import StillClock
from validation.gcra import UNLIMITED, Policy, Rate

ANN = Actor("operator", "ann")


async def ended_at_once(moving: MovingDesk) -> None:
    async with moving.receiving():
        moving.end_import(ANN)
        await asyncio.Event().wait()


def desk(directory: Path, receive_within_s: float) -> MovingDesk:
    vault = SealedVault(Rings.single(SealingKey.of(bytes(32))))
    policy = Policy(Rate.per_second(10, 50), UNLIMITED)
    store = MemoryStore(clock=StillClock(), default_policy=policy)
    work = partial(bench, vault, directory)
    return MovingDesk(store, vault, work, receive_within_s=receive_within_s)


async def test_files_that_do_not_come_in_time_end_the_import(tmp_path: Path) -> None:
    moving = desk(tmp_path, 0.01)
    with pytest.raises(ImportEndedError, match="nothing was imported"):
        async with moving.importing(), moving.receiving():
            await asyncio.Event().wait()
    async with moving.importing():
        pass  # the place is free again


async def test_an_import_is_ended_only_while_it_waits_for_files(tmp_path: Path) -> None:
    moving = desk(tmp_path, 3600)
    with pytest.raises(NoImportError):
        moving.end_import(ANN)
    async with moving.importing():
        async with moving.receiving():
            pass
        with pytest.raises(NoImportError):
            moving.end_import(ANN)
        with pytest.raises(ImportEndedError, match="operator ann ended it"):
            await ended_at_once(moving)
