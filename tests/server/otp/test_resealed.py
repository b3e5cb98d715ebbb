"""A rotation of the vault's keys, seen by workers that remember records of before it."""

from server.resealing.desk import VaultDesk
from server.resealing.rotator import Rotator
from server.resealing.walk import Pace
from tests.server.acts import CAUSE
from tests.server.memory_keys import MemoryKeys
from tests.server.otp.room import GENEROUS, Room
from tests.server.storage.keepers import MemoryKeeper
from validation.status import Status


async def rotated(room: Room, keys: MemoryKeys, keeper: MemoryKeeper) -> None:
    store = await keeper.open()
    await VaultDesk(store, keys).rotate(ceremony=None, cause=CAUSE)
    lease = await store.acquire_lease("rotation", "a test", 60_000_000)
    assert lease is not None
    await Rotator(store, keys, clock=room.clock, pace=Pace(share=1.0)).work(lease)
    await store.rest_lease(lease)


async def test_who_remembers_a_record_whose_key_is_destroyed_reads_the_new_one() -> None:
    keeper, keys = MemoryKeeper(GENEROUS), MemoryKeys()
    room = Room(keeper, await keeper.open(), keys.vault)
    client, yubikey = await room.client(), await room.yubikey()
    workers = [room.worker(), room.worker()]
    for worker in workers:
        assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK
    for _ in range(2):
        await rotated(room, keys, keeper)
        for worker in workers:
            assert (await room.ask(client, room.press(yubikey), worker=worker)).status == Status.OK
    assert room.log.at("error") == []


async def test_what_still_does_not_open_is_an_alarm_and_no_bad_otp() -> None:
    keeper, keys = MemoryKeeper(GENEROUS), MemoryKeys()
    room = Room(keeper, await keeper.open(), keys.vault)
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    keys.vault.take(MemoryKeys().rings._replace(otp=MemoryKeys().rings.secrets))
    assert (await room.ask(client, room.press(yubikey))).status == Status.BACKEND_ERROR
    assert room.log.at("error") == ["sealed_record_refused"]


async def test_who_remembers_a_key_that_was_disabled_meanwhile_refuses_it() -> None:
    keeper, keys = MemoryKeeper(GENEROUS), MemoryKeys()
    room = Room(keeper, await keeper.open(), keys.vault)
    client, yubikey = await room.client(), await room.yubikey()
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK
    await room.keys.disable(yubikey.public_id, cause=CAUSE)
    await rotated(room, keys, keeper)
    assert (await room.ask(client, room.press(yubikey))).status == Status.BAD_OTP
