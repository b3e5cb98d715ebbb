"""How far logs were read is noted with the facts of it, by one of those who try, on every store."""

import asyncio

import pytest

from server.leases import Lease, LeaseLostError
from tests.server.acts import ACT
from tests.server.storage.entries import new_key
from tests.server.storage.facts import a_fact
from tests.server.storage.keepers import Keeper, Store


async def held(store: Store, name: str = "hsm") -> Lease:
    lease = await store.acquire_lease(name, "one", 60_000_000)
    assert lease is not None
    return lease


async def told(store: Store) -> list[str]:
    await store.subscribe("reader", from_start=True)
    return [fact.fact.subject for fact in await store.unread_facts("reader", 99)]


async def test_a_note_is_changed_with_its_facts_or_not_at_all(store: Store) -> None:
    lease = await held(store)
    assert await store.note_hsm_log("hsm_log_7", None, "one", [a_fact(1)], lease)
    assert not await store.note_hsm_log("hsm_log_7", None, "two", [a_fact(2)], lease)
    assert not await store.note_hsm_log("hsm_log_7", "other", "two", [a_fact(2)], lease)
    assert not await store.note_hsm_log("hsm_log_8", "one", "two", [a_fact(2)], lease)
    assert await store.note_hsm_log("hsm_log_7", "one", "two", [a_fact(3)], lease)
    assert await store.meta("hsm_log_7") == "two"
    assert await store.meta("hsm_log_8") is None
    assert await told(store) == ["1", "3"]


async def test_of_many_who_note_one_does(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(4)]
    leases = [await held(handle, f"lease {number}") for number, handle in enumerate(handles)]
    for was, now in ((None, "one"), ("one", "two")):
        done = await asyncio.gather(
            *(
                handle.note_hsm_log("hsm_log_7", was, now, [a_fact(number)], lease)
                for number, (handle, lease) in enumerate(zip(handles, leases, strict=True))
            )
        )
        assert sorted(done) == [False, False, False, True]
    assert len(await told(handles[0])) == 2


async def test_who_lost_the_lease_notes_nothing(keeper: Keeper, store: Store) -> None:
    lease = await held(store)
    await keeper.hours_pass()
    with pytest.raises(LeaseLostError):
        await store.note_hsm_log("hsm_log_7", None, "one", [a_fact(1)], lease)
    assert await store.meta("hsm_log_7") is None
    assert await told(store) == []


async def test_values_are_found_by_how_their_names_begin(store: Store) -> None:
    for name in ("hsm_log_7", "hsm_log_8", "hsm-log-9", "hsm_lag_1"):
        await store.set_meta(name, name)
    assert await store.metas("hsm_log_") == {"hsm_log_7": "hsm_log_7", "hsm_log_8": "hsm_log_8"}


async def test_keys_that_are_aeads_are_counted(store: Store) -> None:
    assert await store.count_aead_records() == 0
    records = [b"\x02aead", b"\x01sealed", b"\x02", b"\x02another"]
    keys = [
        new_key(f"cccccccccc{'cb'[n % 2]}{'cbdefg'[n]}")._replace(record=record)
        for n, record in enumerate(records)
    ]
    await store.add_keys(keys, act=ACT)
    assert await store.count_aead_records() == 3
