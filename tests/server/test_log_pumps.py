"""Room in the HSMs' logs: what a start writes there never keeps the next one from starting."""

from pathlib import Path

from server.clock import SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.foundation import create_store, foundation
from server.programs.hsm_setup import set_up_hsm

_STARTS = 16
"""Each one writes three entries, and the ceremony leaves room for thirteen of them."""


async def test_an_installation_opens_however_often_nobody_read_its_hsms_log(tmp_path: Path) -> None:
    data, config, clock = DataDirectory(tmp_path / "data"), Config(), SystemClock()
    data.create()
    set_up_hsm(data, config.hsm, None)
    await create_store(config, data)
    for _ in range(_STARTS):
        async with foundation(config, data, clock) as base:
            assert base.keys.active_key
    archives = list(data.hsm_log.glob("*.jsonl"))
    assert len(archives) == 1
    assert archives[0].stat().st_size
