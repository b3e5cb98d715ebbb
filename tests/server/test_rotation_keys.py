"""The keys as re-sealing sees them: nothing is sealed that another machine could not open."""

import os
from pathlib import Path

import pytest

from hsm.keyfile import SealingKey
from server.config import Config
from server.datadir import DataDirectory
from server.key_room import KeyRoom
from server.programs.hsm_setup import set_up_hsm
from server.resealing.ports import GoalError
from server.rotation_keys import RoomKeys
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY


@pytest.mark.parametrize("alone", [True, False])
async def test_a_shared_store_gets_data_keys_when_every_machine_began_with_the_hsm(
    tmp_path: Path, *, alone: bool
) -> None:
    data, config = DataDirectory(tmp_path / "var"), Config()
    data.create()
    set_up_hsm(data, config.hsm, None)
    store = MemoryStore(clock=StillClock(), default_policy=POLICY)
    room = KeyRoom(store, None, SealingKey.of(os.urandom(32)), opened=1)
    keys = RoomKeys(room, data, config, alone=alone)
    try:
        if alone:
            assert (await keys.adopt(ceremony=None, cause=CAUSE)).otp
        else:
            with pytest.raises(GoalError, match="restart"):
                await keys.adopt(ceremony=None, cause=CAUSE)
            assert room.data_keys is None
    finally:
        await room.close()
