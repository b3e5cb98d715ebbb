"""The book of minted keys: a change is one transaction, handed out once, no OTP before its time."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hsm.provisioning.key_states import KeyState
from hsm.provisioning.release import ReleaseContext, seal_release
from hsm.provisioning.release_states import KeptRelease, ReleaseEvent, ReleaseState
from hsm.seals import STRICT
from hsm.vault import OtpKeySecrets
from server.leases import Lease
from server.moving.desk import MovingDesk
from server.otp.ports import (
    Advance,
    KeyExistsError,
    KeyNotActivatedError,
    Kind,
    NewKey,
    StaleSealError,
)
from server.provisioning.ports import CountersAheadError, MintedKey
from server.resealing.ports import Kind as Records
from tests.server.acts import ACT
from tests.server.moving_bench import bench
from tests.server.moving_files import ReferenceKey
from tests.server.storage.entries import OTHER, TOKEN, a_client, decide, otp, the_keys
from tests.server.storage.keepers import Keeper, Store
from tests.server.storage.test_moving import VAULT, move_in
from tests.server.storage.test_resealing_book import DEED

STATION = X25519PrivateKey.generate().public_key()
CONTEXT = ReleaseContext("order-7", TOKEN, 1, 7654321, "station-1", 4_000_000_000_000_000)
RECORD = STRICT + bytes(range(60))


def new(public_id: str = TOKEN, generation: int = 1) -> tuple[NewKey, KeptRelease]:
    """Return a key with its release, sealed as a station gets it."""
    context = CONTEXT._replace(public_id=public_id, generation=generation)
    sealed = seal_release(context, OtpKeySecrets(bytes(16), bytes(6)), STATION)
    return NewKey(public_id, generation, RECORD, "7654321"), KeptRelease.offered(sealed)


async def minted(store: Store, generation: int = 1) -> MintedKey:
    return await store.add_minted(*new(TOKEN, generation), act=ACT)


def taken(key: MintedKey) -> MintedKey:
    return key._replace(kept=key.kept.after(ReleaseEvent.TAKE))


def voided(key: MintedKey) -> MintedKey:
    return key._replace(kept=key.kept.after(ReleaseEvent.WITHDRAW), state=KeyState.DESTROYED)


async def test_a_minted_key_is_kept_whole_and_no_otp_of_it_is_ok(store: Store) -> None:
    client = await a_client(store)
    key = await minted(store)
    assert await store.minted_key(TOKEN) == key
    assert (key.kept.state, key.state) == (ReleaseState.OFFERED, KeyState.PRE_ACTIVATION)
    assert key.kept.message
    assert key.created_us > 0
    record = await store.key(TOKEN)
    assert record is not None
    assert (record.active, record.record, record.generation) == (False, RECORD, 1)
    assert await decide(store, otp(client, 1, 1)) == [Kind.STALE_KEY]


async def test_its_entry_tells_for_whom_and_has_no_release_in_it(store: Store) -> None:
    key = await minted(store)
    (entry,) = await store.journal_entries(0, 9)
    assert (entry.deed.subject.kind, entry.deed.subject.id) == ("key", TOKEN)
    state = entry.deed.after
    assert state is not None
    assert (state["order"], state["station"]) == ("order-7", "station-1")
    assert (state["release"], state["state"]) == ("offered", "pre-activation")
    assert key.kept.message.hex() not in str(entry)


async def test_s22_the_store_keeps_nothing_of_a_release_that_was_taken(store: Store) -> None:
    key = await minted(store)
    assert await store.change_minted(key, taken(key), act=ACT)
    kept = await store.minted_key(TOKEN)
    assert kept == taken(key)
    assert kept is not None
    assert kept.kept.message == b""
    assert not await store.change_minted(key, taken(key), act=ACT)
    assert (await store.journal_end()).sequence == 2


async def test_s22_of_many_who_take_at_once_one_does(keeper: Keeper, store: Store) -> None:
    hands = [store, *[await keeper.open() for _ in range(3)]]
    for generation in range(1, 6):
        key = await minted(store, generation)
        told = await asyncio.gather(
            *(hand.change_minted(key, taken(key), act=ACT) for hand in hands * 4)
        )
        assert sum(told) == 1
        key = taken(key)
        assert await store.minted_key(TOKEN) == key
        assert await store.change_minted(key, key._replace(state=KeyState.DESTROYED), act=ACT)


async def test_what_is_in_neither_table_of_states_is_not_stored(store: Store) -> None:
    key = await minted(store)
    gone = voided(key)
    assert await store.change_minted(key, gone, act=ACT)
    for after in (key, gone._replace(state=KeyState.ACTIVE)):
        with pytest.raises(ValueError, match="does not go from"):
            await store.change_minted(gone, after, act=ACT)
    assert await store.minted_key(TOKEN) == gone


async def test_one_who_activates_and_one_who_voids_at_once_do_not_both(
    keeper: Keeper, store: Store
) -> None:
    key = await minted(store)
    other = await keeper.open()
    active = taken(key)._replace(state=KeyState.ACTIVE)
    told = await asyncio.gather(
        store.change_minted(key, active, counters=Advance(1, 0, 5), act=ACT),
        other.change_minted(key, voided(key), act=ACT),
    )
    assert sum(told) == 1
    assert (await store.key(TOKEN) is not None) is told[0]
    assert await store.minted_key(TOKEN) == (active if told[0] else voided(key))


async def test_an_active_key_is_accepted_from_beyond_its_test_otp(store: Store) -> None:
    client = await a_client(store)
    offered = await minted(store)
    key = taken(offered)
    assert await store.change_minted(offered, key, act=ACT)
    active = key._replace(state=KeyState.ACTIVE)
    assert await store.change_minted(key, active, counters=Advance(3, 4, 5), act=ACT)
    record = await store.key(TOKEN)
    assert record is not None
    assert record.active
    version = record.version
    assert await decide(store, otp(client, 3, 4, key_version=version)) == [Kind.REPLAYED_OTP]
    assert await decide(store, otp(client, 3, 5, key_version=version)) == [Kind.OK]


async def test_activation_takes_no_counter_down(
    keeper: Keeper, store: Store, tmp_path: Path
) -> None:
    offered = await minted(store)
    key = taken(offered)
    assert await store.change_minted(offered, key, act=ACT)
    desk = MovingDesk(store, VAULT, partial(bench, VAULT, tmp_path / "imports"))
    await move_in(desk, counters=ReferenceKey(TOKEN, session=9, use=9).counter_line())
    active = key._replace(state=KeyState.ACTIVE)
    end = await store.journal_end()
    for old in (Advance(9, 9, 0), Advance(8, 255, 0)):
        with pytest.raises(CountersAheadError):
            await store.change_minted(key, active, counters=old, act=ACT)
    assert await store.minted_key(TOKEN) == key
    assert await store.journal_end() == end
    assert await store.change_minted(key, active, counters=Advance(9, 10, 0), act=ACT)
    row = (await keeper.counters())[TOKEN]
    assert (row.active, row.session, row.use) == (True, 9, 10)


async def test_a_key_whose_counters_are_lost_is_not_activated(keeper: Keeper, store: Store) -> None:
    offered = await minted(store)
    key = taken(offered)
    assert await store.change_minted(offered, key, act=ACT)
    await keeper.lose_counters(TOKEN)
    active = key._replace(state=KeyState.ACTIVE)
    with pytest.raises(CountersAheadError):
        await store.change_minted(key, active, counters=Advance(1, 1, 0), act=ACT)
    assert await store.minted_key(TOKEN) == key


async def test_s22_a_void_key_has_no_record_and_its_id_gets_the_next_generation(
    store: Store,
) -> None:
    client = await a_client(store)
    key = await minted(store)
    with pytest.raises(KeyExistsError):
        await minted(store, 2)
    assert await store.change_minted(key, voided(key), act=ACT)
    assert await store.key(TOKEN) is None
    assert await store.key_details(TOKEN) is None
    assert await decide(store, otp(client, 1, 1, key_version=0)) == [Kind.STALE_KEY]
    with pytest.raises(KeyExistsError):
        await minted(store, 1)
    again = await minted(store, 2)
    assert await store.minted_key(TOKEN) == again
    assert not await store.change_minted(key, voided(key), act=ACT)


async def test_a_public_id_that_is_known_is_refused(
    store: Store,
) -> None:
    await the_keys(store, TOKEN)
    end = await store.journal_end()
    with pytest.raises(KeyExistsError):
        await minted(store)
    assert await store.minted_key(TOKEN) is None
    assert await store.journal_end() == end


async def test_an_id_for_which_counters_wait_is_not_minted(store: Store, tmp_path: Path) -> None:
    desk = MovingDesk(store, VAULT, partial(bench, VAULT, tmp_path / "imports"))
    await move_in(desk, counters=ReferenceKey(TOKEN, session=9, use=9).counter_line())
    with pytest.raises(KeyExistsError):
        await minted(store)
    assert await store.minted_key(TOKEN) is None


async def test_a_key_in_pre_activation_is_not_switched_on_and_others_are(store: Store) -> None:
    await the_keys(store, OTHER)
    key = await minted(store)
    with pytest.raises(KeyNotActivatedError, match="activate"):
        await store.set_key_active(TOKEN, active=True, act=ACT)
    off = await store.set_key_active(TOKEN, active=False, act=ACT)
    assert off is not None
    assert not off.active
    assert await store.set_key_active(OTHER, active=True, act=ACT) is not None
    active = taken(key)._replace(state=KeyState.ACTIVE)
    assert await store.change_minted(key, active, counters=Advance(1, 0, 0), act=ACT)
    for wanted in (False, True):
        switched = await store.set_key_active(TOKEN, active=wanted, act=ACT)
        assert switched is not None
        assert switched.active is wanted


async def test_a_record_under_a_retired_key_is_refused_and_nothing_is_kept(store: Store) -> None:
    lease = await store.acquire_lease("rotation", "a test", 60_000_000)
    assert isinstance(lease, Lease)
    await store.retire_seals(Records.OTP, [RECORD[:7]], lease=lease, deed=DEED)
    end = await store.journal_end()
    with pytest.raises(StaleSealError):
        await minted(store)
    assert await store.minted_key(TOKEN) is None
    assert await store.key(TOKEN) is None
    assert await store.journal_end() == end


async def test_a_void_aead_stays_accounted_for(store: Store) -> None:
    key = await minted(store)
    assert await store.count_aead_records() == 1
    await store.change_minted(key, voided(key), act=ACT)
    assert await store.count_aead_records() == 1
