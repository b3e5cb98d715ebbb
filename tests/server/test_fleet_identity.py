"""The fleet server's identity in a house whose keys turn: it follows them."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from hsm import credentials
from hsm.rings import Purpose
from server.datadir import DataDirectory
from server.fleet.server_identity import NAME, open_identity
from server.fleet_door import keep_identity
from server.hsm_host import HsmHost
from server.key_room import KeyRoom
from server.programs.hsm_setup import set_up_hsm
from server.settings.keeping import Hsm
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY


@pytest.mark.parametrize("needed", [True, False], ids=["at its door", "without one"])
async def test_it_outlives_the_key_that_it_was_sealed_by(tmp_path: Path, *, needed: bool) -> None:
    data = DataDirectory(tmp_path / "var")
    data.create()
    set_up_hsm(data, Hsm(), None)
    ceremony = credentials.load(data.ceremony_secret_file, "ceremony")
    store = MemoryStore(clock=StillClock(), default_policy=POLICY)
    hsm = HsmHost.open(Hsm(), data)
    room = KeyRoom(store, hsm, None, opened=16)
    await room.make_first(ceremony, cause=CAUSE)
    async with AsyncExitStack() as stack:
        assert await keep_identity(stack, store, room, needed=False) is None
        made = await open_identity(store, room.vault, cause=CAUSE)
        before = await store.meta(NAME)
        kept = await keep_identity(stack, store, room, needed=needed, settle_s=0.0)
        assert kept is not None
        old = bytes.fromhex(room.active_key)
        await room.activate(await room.prepare(Purpose.SECRETS, ceremony, cause=CAUSE), cause=CAUSE)
        await room.destroy(old, cause=CAUSE)
    assert await store.meta(NAME) != before
    found = await open_identity(store, room.vault, cause=CAUSE)
    assert found.public_key == kept.public_key == made.public_key
    assert before is not None
    # What was stored first opens nothing more: without the re-sealing it would be lost.
    await store.set_meta(NAME, before)
    assert (await open_identity(store, room.vault, cause=CAUSE)).public_key != made.public_key
    await room.close()
