"""What everything stands on, with an emulated HSM: opened often, and what must not be lost."""

from pathlib import Path

import pytest

from hsm import keyfile
from hsm.device.address import device_at
from hsm.vault import VaultError
from server.clock import SystemClock
from server.config import Config
from server.datadir import DataDirectory
from server.foundation import create_store, foundation, open_store
from server.hsm_audit import carry_logs_away, room_maker
from server.hsm_host import HsmHost
from server.programs.hsm_setup import set_up_hsm
from server.storage.identity import DATA_KEYS, ForeignStoreError

CONFIG = Config()
CLOCK = SystemClock()


@pytest.fixture
async def data(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path / "var")
    made.create()
    set_up_hsm(made, CONFIG.hsm, None)
    await create_store(CONFIG, made)
    return made


async def test_however_often_it_is_opened_the_hsms_log_has_room(data: DataDirectory) -> None:
    """Each opening is logged by the device, which stops when its log of 62 entries is full."""
    make_room = room_maker(data, CLOCK)
    for _ in range(30):
        async with foundation(CONFIG, data, CLOCK, make_room=make_room) as base:
            assert base.keys.rings.otp.active is not None
    assert list(data.hsm_log.iterdir())


async def test_a_device_that_is_away_keeps_nobody_from_starting_with_another(
    data: DataDirectory,
) -> None:
    store = await open_store(CONFIG, data, CLOCK, create=False)
    hsm = HsmHost.open(CONFIG.hsm, data)
    there = hsm.devices
    hsm.devices = there._replace(all=(device_at("http+unix:///nowhere"), *there.all))
    await carry_logs_away(store, hsm, data, CLOCK)
    hsm.close()
    await store.close()


async def test_a_key_file_that_was_left_behind_opens_nothing_any_more(data: DataDirectory) -> None:
    left = keyfile.create(data.sealing_key_file)
    async with foundation(CONFIG, data, CLOCK) as base:
        assert base.keys.file_key_id == b""
        assert all(left not in ring.keys for ring in base.keys.rings)


async def test_a_store_that_lost_its_data_keys_is_refused_and_gets_no_others(
    data: DataDirectory,
) -> None:
    store = await open_store(CONFIG, data, CLOCK, create=False)
    await store.set_meta(DATA_KEYS, "")
    await store.close()
    with pytest.raises(VaultError, match="damaged"):
        async with foundation(CONFIG, data, CLOCK):
            pass


async def test_a_store_of_an_hsm_is_refused_beside_a_key_file(data: DataDirectory) -> None:
    keyfile.create(data.sealing_key_file)
    data.hsm_secret_file.rename(data.root / "aside")
    with pytest.raises(ForeignStoreError, match="data keys of an HSM"):
        async with foundation(CONFIG, data, CLOCK):
            pass


async def test_without_the_ceremonys_secret_no_empty_store_gets_data_keys(
    data: DataDirectory,
) -> None:
    data.database_file.unlink()
    data.ceremony_secret_file.rename(data.root / "aside")
    with pytest.raises(ForeignStoreError, match="--ceremony-secret"):
        await create_store(CONFIG, data)
    await create_store(CONFIG, data, data.root / "aside")
    async with foundation(CONFIG, data, CLOCK) as base:
        assert base.keys.data_keys is not None
