"""What a store stands on: a key file that it needs no more opens nothing."""

from pathlib import Path

from hsm import keyfile
from server.clock import SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.foundation import create_store, foundation
from server.programs.hsm_setup import set_up_hsm


async def test_a_key_file_that_was_left_behind_opens_nothing_any_more(tmp_path: Path) -> None:
    data, config = DataDirectory(tmp_path / "data"), Config()
    data.create()
    set_up_hsm(data, config.hsm, None)
    await create_store(config, data)
    left = keyfile.create(data.sealing_key_file)
    async with foundation(config, data, SystemClock()) as base:
        assert base.keys.file_key_id == b""
        assert all(left not in ring.keys for ring in base.keys.rings)
