"""Rotations on every store: from the first key made to the last one destroyed, struck anywhere."""

import asyncio
from base64 import b64decode

import pytest
from structlog.testing import capture_logs

from hsm.seals import SEALED
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError
from server.accounts.clients import ClientDesk
from server.jobs.resealing import watch_rotation
from server.jobs.runner import JobRunner
from server.leases import Lease
from server.otp.client_cache import api_key_label
from server.otp.keys import KeyDesk
from server.otp.ksm import KsmKey
from server.otp.ports import StaleSealError
from server.resealing.desk import VaultDesk
from server.resealing.ports import GoalError, Kind, SealedRecord, Swap, Target
from server.resealing.rotation import NAME, Rotation, begin, end, standing
from server.resealing.rotator import Rotator, StuckError
from server.resealing.walk import Pace
from tests.server.acts import CAUSE
from tests.server.memory_keys import MemoryKeys
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import Keeper, SqliteKeeper, Store
from validation.modhex import encode
from validation.otp import parse_otp
from validation.virtual import VirtualYubiKey

FAST = Pace(piece=7, share=1.0)
KEYS = 20


class House:
    """A store with keys and clients, sealed by a vault whose keys are in memory."""

    def __init__(self, store: Store, keys: MemoryKeys) -> None:
        self.store = store
        self.keys = keys
        self.desk = VaultDesk(store, keys)
        self.office = ClientDesk(store, keys.vault, clock=StillClock(), default_policy=POLICY)
        self.api_keys: dict[int, bytes] = {}

    async def fill(self) -> None:
        await self.bring(range(KEYS))
        for name in ("one", "two"):
            await self.enrol(name)

    async def bring(self, numbers: range) -> None:
        lines = [KsmKey(1, "1", *_key(number)).format() for number in numbers]
        desk = KeyDesk(self.store, self.keys.vault)
        try:
            await desk.import_ksm("\n".join(lines), cause=CAUSE)
        except StaleSealError:  # the key was retired meanwhile: it says to do it again
            await desk.import_ksm("\n".join(lines), cause=CAUSE)

    async def enrol(self, name: str) -> None:
        issued = await self.office.add(name, cause=CAUSE)
        self.api_keys[issued.client.details.client_id] = b64decode(issued.api_key)

    def rotator(self) -> Rotator:
        return Rotator(self.store, self.keys, clock=StillClock(), pace=FAST)

    async def all_open(self, numbers: range = range(KEYS)) -> None:
        for number in numbers:
            public_id, (aes_key, private_id) = _key(number)
            found = await self.store.key(public_id)
            assert found is not None
            otp = parse_otp(VirtualYubiKey(public_id, private_id, aes_key, use=3).press(1))
            binding = OtpKeyBinding(public_id, found.generation)
            fields = await self.keys.vault.open_otp(binding, found.record, otp.ciphertext)
            assert fields.use == 3
        for client_id, api_key in self.api_keys.items():
            client = await self.store.client(client_id)
            assert client is not None
            (sealed,) = client.api_keys
            label = api_key_label(client_id, sealed.key_id)
            assert await self.keys.vault.open_secret(label, sealed.record) == api_key


def _key(number: int) -> tuple[str, OtpKeySecrets]:
    octets = number.to_bytes(6, "big")
    return encode(octets), OtpKeySecrets(b"aes key: " + octets + b"!", octets)


@pytest.fixture
async def house(store: Store) -> House:
    made = House(store, MemoryKeys())
    await made.fill()
    return made


async def a_lease(store: Store, name: str = "rotation") -> Lease:
    lease = await store.acquire_lease(name, "a test", 60_000_000)
    assert lease is not None
    return lease


async def test_a_rotation_ends_with_all_records_under_the_new_keys_and_the_old_gone(
    house: House,
) -> None:
    old = {key.seal for key in house.keys.held()}
    rotation = await house.desk.rotate(ceremony=None, cause=CAUSE)
    assert (await house.desk.status()).left == KEYS + 2
    rotator = house.rotator()
    await rotator.work(await a_lease(house.store))
    status = await house.desk.status()
    assert (status.rotation, status.left, rotator.progress.left) == (None, 0, 0)
    assert {key.seal for key in status.keys} == set(rotation.target)
    assert status.counts == {
        Kind.OTP: {rotation.target.otp: KEYS},
        Kind.SECRETS: {rotation.target.secrets: 2},
    }
    assert set(house.keys.destroyed) == old
    await house.all_open()


async def test_the_journal_tells_who_rotated_and_what_became_of_the_old_keys(house: House) -> None:
    rotation = await house.desk.rotate(ceremony=None, cause=CAUSE)
    await house.rotator().work(await a_lease(house.store))
    entries = await house.store.latest_entries(4)
    assert [one.deed.act.action for one in entries] == [
        "vault.rotate",
        "vault.retire",
        "vault.retire",
        "vault.rotated",
    ]
    assert {one.deed.act.reason for one in entries} == {"a test"}
    assert {one.deed.subject for one in entries} == {rotation.subject}


async def test_one_rotation_after_the_other(house: House) -> None:
    for number in range(3):
        await house.desk.rotate(ceremony=None, cause=CAUSE)
        await house.rotator().work(await a_lease(house.store, f"rotation {number}"))
        await house.all_open()
    assert len(house.keys.destroyed) == 6


async def test_a_second_rotation_is_refused_while_one_stands_and_makes_no_keys(
    house: House,
) -> None:
    await house.desk.rotate(ceremony=None, cause=CAUSE)
    held = house.keys.held()
    for ask in (house.desk.rotate, house.desk.migrate):
        with pytest.raises(GoalError, match="under way"):
            await ask(ceremony=None, cause=CAUSE)
    assert house.keys.held() == held


async def test_of_two_who_begin_at_once_one_is_refused(keeper: Keeper, store: Store) -> None:
    house = House(store, MemoryKeys())
    other = VaultDesk(await keeper.open(), house.keys)
    found = await asyncio.gather(
        house.desk.rotate(ceremony=None, cause=CAUSE),
        other.migrate(ceremony=None, cause=CAUSE),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in found) == ["Rotation", "UnderWayError"]


async def test_with_nothing_asked_nothing_is_done(house: House) -> None:
    rotator = house.rotator()
    assert not await rotator.is_wanted()
    end_before = await house.store.journal_end()
    await rotator.work(await a_lease(house.store))
    assert await house.store.journal_end() == end_before


class StruckError(Exception):
    """The process is gone."""


async def test_struck_at_any_step_the_next_process_goes_on(store: Store) -> None:
    strikes = {"left": 0}

    def strike() -> None:
        strikes["left"] -= 1
        if strikes["left"] == 0:
            raise StruckError

    house = House(store, MemoryKeys(strike=strike))
    await house.fill()
    await house.desk.rotate(ceremony=None, cause=CAUSE)
    lease, struck = await a_lease(store), 0
    while True:
        strikes["left"] = 1 + struck
        try:
            await house.rotator().work(lease)
            break
        except StruckError:
            struck += 1
            await house.all_open()
            assert struck < 30
    assert struck >= 4
    assert await standing(store) is None
    await house.all_open()
    assert len(house.keys.held()) == 2


async def test_records_that_come_while_it_walks_come_under_the_new_key_too(house: House) -> None:
    await house.desk.rotate(ceremony=None, cause=CAUSE)
    rotator = house.rotator()
    working = asyncio.create_task(rotator.work(await a_lease(house.store)))
    for number in range(KEYS, KEYS + 10):
        await house.bring(range(number, number + 1))
        await asyncio.sleep(0)
    await working
    await house.all_open(range(KEYS + 10))
    assert len((await house.desk.status()).counts[Kind.OTP]) == 1


async def test_a_record_that_does_not_open_keeps_the_old_keys_and_is_an_alarm(
    house: House,
) -> None:
    lease = await a_lease(house.store)
    page = await house.store.not_under(Kind.OTP, b"\x01none", None, 10)
    await house.store.swap(Kind.OTP, [Swap(page[0], page[1].record)], lease=lease)
    await house.desk.rotate(ceremony=None, cause=CAUSE)
    rotator = house.rotator()
    with capture_logs() as logged, pytest.raises(StuckError, match="1 records do not open"):
        await rotator.work(lease)
    assert {one["event"] for one in logged} == {"record_not_resealed"}
    assert (rotator.progress.left, rotator.progress.refused) == (1, 1)
    assert "1 records do not open" in rotator.progress.trouble
    assert (
        "do not open"
        in (await VaultDesk(house.store, house.keys, rotator.progress).status()).trouble
    )
    assert house.keys.destroyed == []
    assert (await house.desk.status()).left == 1
    # The row is put right, and it goes on.
    bad = SealedRecord(page[0].place, page[1].record)
    await house.store.swap(Kind.OTP, [Swap(bad, page[0].record)], lease=lease)
    await house.rotator().work(lease)
    await house.all_open()
    assert len(house.keys.destroyed) == 2


async def test_what_was_made_and_never_used_is_used_by_the_next_rotation(house: House) -> None:
    target = await house.keys.renew(ceremony=None, cause=CAUSE)
    rotation = await house.desk.rotate(ceremony=None, cause=CAUSE)
    assert rotation.target == target


async def test_a_migration_to_what_is_in_use_gathers_stragglers_and_drops_the_rest(
    house: House,
) -> None:
    await house.keys.renew(ceremony=None, cause=CAUSE)
    rotation = await house.desk.migrate(ceremony=None, cause=CAUSE)
    await house.rotator().work(await a_lease(house.store))
    assert {key.seal for key in house.keys.held()} == set(rotation.target)
    await house.all_open()


async def test_until_the_keys_have_settled_nothing_is_sealed_with_them(house: House) -> None:
    house.keys.settle_s = 60.0
    rotation = await house.desk.rotate(ceremony=None, cause=CAUSE)
    working = asyncio.create_task(house.rotator().work(await a_lease(house.store)))
    await asyncio.sleep(0.2)
    assert not working.done()
    await house.enrol("three")
    counts = (await house.desk.status()).counts
    assert rotation.target.otp not in counts[Kind.OTP]
    assert rotation.target.secrets not in counts[Kind.SECRETS]
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    await house.all_open()


async def test_the_watch_works_at_a_rotation_that_begins_later(house: House) -> None:
    runner = JobRunner(house.store, [], holder="a test", clock=StillClock())
    watching = asyncio.create_task(watch_rotation(house.rotator(), runner))
    await house.desk.rotate(ceremony=None, cause=CAUSE)
    async with asyncio.timeout(30):
        while await standing(house.store) is not None:  # noqa: ASYNC110 - another task's doing
            await asyncio.sleep(0.05)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    await house.all_open()


@pytest.mark.parametrize("value", ["{", "[]", "{}", '{"otp":"zz"}', '{"otp":"01","secrets":1}'])
async def test_a_damaged_value_is_said_to_be_so_and_ends_no_watch(house: House, value: str) -> None:
    await house.store.settle_meta(NAME, value)
    with pytest.raises(GoalError, match="damaged"):
        await house.desk.status()
    runner = JobRunner(house.store, [], holder="a test", clock=StillClock())
    with capture_logs() as logged:
        watching = asyncio.create_task(watch_rotation(house.rotator(), runner))
        async with asyncio.timeout(10):
            while not logged:  # noqa: ASYNC110 - another task's doing
                await asyncio.sleep(0.01)
    assert not watching.done()
    assert logged[0]["event"] == "rotation_not_looked_for"
    watching.cancel()


async def test_a_rotation_survives_the_process_and_is_read_back_whole(keeper: Keeper) -> None:
    store = await keeper.open()
    rotation = Rotation(Target(b"\x01aaaa", b"\x01bbbb"), 77, CAUSE)
    await begin(store, rotation, "vault.rotate")
    if isinstance(keeper, SqliteKeeper):
        await keeper.close()
        store = await keeper.open()
    assert await standing(store) == rotation
    await end(store, rotation)
    await end(store, rotation)
    assert await standing(store) is None
    assert Rotation.decode(rotation.encode()) == rotation


async def test_old_records_open_no_more_once_the_rotation_has_ended(house: House) -> None:
    before = await house.store.key(_key(0)[0])
    assert before is not None
    await house.desk.rotate(ceremony=None, cause=CAUSE)
    await house.rotator().work(await a_lease(house.store))
    with pytest.raises(RecordRefusedError):
        await house.keys.vault.open_otp(OtpKeyBinding(_key(0)[0], 1), before.record, bytes(16))
    assert before.record[:5] in {SEALED + one[1:] for one in house.keys.destroyed}
