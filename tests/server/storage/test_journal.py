"""Every change writes its entry with it, or neither is written; entries make one chain."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from server.accounts.clients import ClientDesk
from server.accounts.ports import LimitOverride
from server.journal.acts import Act, Actor, Cause, Deed, State, Subject
from server.journal.chain import Chain
from server.journal.entry import BEGINNING
from server.journal.export import line_of
from server.journal.ports import Selection
from server.otp.keys import KeyDesk
from server.otp.ports import KeyExistsError
from tests.server.acts import ACT
from tests.server.journal.chains import a_chain, signed
from tests.server.storage.entries import POLICY, TOKEN, a_client, new_key, the_keys
from tests.server.storage.keepers import Keeper, Store
from validation.gcra import UNLIMITED, Policy, Rate

CAUSE = Cause(Actor("local", "1000(zoë)"), "because")
LIMIT = LimitOverride(Policy(Rate.per_second(20, 100), Rate.per_day(1000)), True, "why", 10**15)
CLIENT: State = {
    "name": "someone",
    "active": True,
    "version": 1,
    "signed_only": False,
    "phishing_test": False,
    "customer": None,
    "limit": None,
    "api_keys": [1],
}
LIMITED: State = {
    "rate": 20,
    "burst": 100,
    "per_day": 1000,
    "shadow": True,
    "reason": "why",
    "expires": "2001-09-09T01:46:40.000000Z",
}

# What is done to client 1 or to the key, and what of it is different afterwards.
CHANGES: dict[str, tuple[Callable[[Store, Act], Awaitable[object]], dict[str, Any]]] = {
    "client.disable": (
        lambda store, act: store.set_client_active(1, active=False, act=act),
        {"active": False},
    ),
    "client.limit": (
        lambda store, act: store.set_client_limit(1, LIMIT, act=act),
        {"limit": LIMITED},
    ),
    "client.options": (
        lambda store, act: store.set_client_options(
            1, signed_only=True, phishing_test=None, act=act
        ),
        {"signed_only": True},
    ),
    "client.rotate": (
        lambda store, act: store.add_api_key(1, 2, b"canary", act=act),
        {"api_keys": [1, 2]},
    ),
}


@pytest.mark.parametrize("action", CHANGES)
async def test_a_clients_change_is_told_with_before_and_after(store: Store, action: str) -> None:
    await a_client(store)
    change, difference = CHANGES[action]
    act = CAUSE.act(action)
    assert await change(store, act) is not None
    added, changed = await store.journal_entries(0, 10)
    assert added.deed == Deed(ACT, Subject("client", "1"), None, CLIENT)
    assert changed.deed == Deed(
        act, Subject("client", "1"), CLIENT, {**CLIENT, "version": 2, **difference}
    )


async def test_the_end_of_a_rotation_is_told(store: Store) -> None:
    await a_client(store)
    await store.add_api_key(1, 2, b"new", act=ACT)
    await store.remove_oldest_api_key(1, act=ACT)
    last = (await store.latest_entries(1))[0].deed
    assert last.before is not None
    assert last.after is not None
    assert (last.before["api_keys"], last.after["api_keys"]) == ([1, 2], [2])


async def test_a_key_that_is_switched_is_told(store: Store) -> None:
    await the_keys(store)
    act = CAUSE.act("key.disable")
    await store.set_key_active(TOKEN, active=False, act=act)
    deed = (await store.latest_entries(1))[0].deed
    before: State = {"active": True, "version": 1, "serial": "123", "generation": 1}
    after: State = {**before, "active": False, "version": 2}
    assert deed == Deed(act, Subject("key", TOKEN), before, after)


@pytest.mark.parametrize("count", [1, 100, 101, 900])
async def test_an_import_is_one_entry_however_large(store: Store, count: int) -> None:
    ids = [f"cccccccc{n:04d}" for n in range(count)]
    await store.add_keys([new_key(public_id) for public_id in reversed(ids)], act=ACT)
    (entry,) = await store.journal_entries(0, 10)
    after = entry.deed.after
    assert after is not None
    assert entry.deed.before is None
    assert after["keys"] == count
    assert after.get("public_ids") == (ids if count <= 100 else None)
    again = [new_key(public_id) for public_id in ids]
    with pytest.raises(KeyExistsError):
        await store.add_keys(again, act=ACT)
    await store.add_keys([], act=ACT)
    assert len(await store.journal_entries(0, 10)) == 1


async def test_what_was_refused_or_not_there_is_not_told(store: Store) -> None:
    await store.set_client_active(1, active=True, act=ACT)
    await store.set_key_active(TOKEN, active=True, act=ACT)
    client = await a_client(store)
    for refused in (
        store.remove_oldest_api_key(client, act=ACT),
        store.add_api_key(client, 3, b"no", act=ACT),
        store.set_client_limit(
            client, LimitOverride(Policy(Rate(0, 0), UNLIMITED), False, "", None), act=ACT
        ),
    ):
        with pytest.raises(ValueError, match=r"."):
            await refused
    assert len(await store.journal_entries(0, 10)) == 1


async def test_a_named_value_is_told_only_by_who_settled_it(store: Store) -> None:
    deed = Deed(ACT, Subject("store", ""), None, {"sealing_key": "abcd"})
    for _ in range(2):
        assert await store.settle_meta("key", "abcd", deed) == "abcd"
    (entry,) = await store.journal_entries(0, 10)
    assert entry.deed == deed


async def test_everything_makes_one_chain(keeper: Keeper, store: Store) -> None:
    assert await store.journal_end() == BEGINNING
    client = await a_client(store)
    await the_keys(store)
    for change, _ in CHANGES.values():
        keeper.clock.pass_by(1)
        assert await change(store, CAUSE.act("a change")) is not None
    entries = await store.journal_entries(0, 100)
    chain = Chain()
    assert [chain.follow(entry) for entry in entries] == [None] * 6
    assert await store.journal_end() == chain.end
    assert chain.end.sequence == 6
    times = [entry.time_us for entry in entries]
    assert times == sorted(times)
    assert [entry.sequence for entry in await store.journal_entries(2, 2)] == [3, 4]
    assert [entry.sequence for entry in await store.latest_entries(2)] == [5, 6]
    about = Selection("client", str(client))
    assert [entry.sequence for entry in await store.journal_entries(1, 9, about)] == [3, 4, 5, 6]
    assert [entry.sequence for entry in await store.latest_entries(2, about)] == [5, 6]
    assert [
        one.deed.subject.kind for one in await store.latest_entries(9, Selection("key_import"))
    ] == ["key_import"]


async def test_acts_at_the_same_time_leave_no_gap_and_no_fork(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(4)]
    clients = [await a_client(handles[0]) for _ in range(3)]

    async def act(number: int) -> None:
        store = handles[number % 4]
        if number % 3 == 0:
            await the_keys(store, f"cccccccc{number:04d}")
        else:
            await store.set_client_active(clients[number % 3], active=number % 2 == 0, act=ACT)

    await asyncio.gather(*(act(number) for number in range(40)))
    chain = Chain()
    entries = await handles[1].journal_entries(0, 100)
    assert [chain.follow(entry) for entry in entries] == [None] * 43
    assert await handles[2].journal_end() == chain.end


async def test_checkpoints_are_kept_as_they_were_made(store: Store) -> None:
    assert await store.last_checkpoint() is None
    made = [signed(a_chain(length)) for length in (0, 2, 2)]
    assert [await store.add_checkpoint(one) for one in made] == [1, 2, 3]
    assert await store.last_checkpoint() == made[-1]
    assert await store.checkpoints(0, 10) == list(enumerate(made, 1))
    assert await store.checkpoints(1, 1) == [(2, made[1])]


async def test_s10_no_secret_reaches_the_journal(store: Store, keeper: Keeper) -> None:
    vault = SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))
    clients = ClientDesk(store, vault, clock=keeper.clock, default_policy=POLICY)
    keys = KeyDesk(store, vault)
    issued = [await clients.add("client", cause=CAUSE), await clients.rotate(1, cause=CAUSE)]
    await clients.limit(1, rate=1, burst=1, cause=CAUSE)
    await clients.finish_rotation(1, cause=CAUSE)
    aes_key, private_id = "00112233445566778899aabbccddeeff", "0a0b0c0d0e0f"
    await keys.import_ksm(f"1,{TOKEN},{private_id},{aes_key},,,\n", cause=CAUSE)
    await keys.disable(TOKEN, cause=CAUSE)
    record_of_client = await store.client(1)
    record_of_key = await store.key(TOKEN)
    assert record_of_client is not None
    assert record_of_key is not None
    canaries = {aes_key, private_id, *(one.api_key for one in issued)}
    sealed = [record_of_key.record, *(key.record for key in record_of_client.api_keys)]
    canaries |= {record.hex() for record in sealed}
    told = b"".join([line_of(entry.to_json()) for entry in await store.journal_entries(0, 100)])
    assert told.count(b'"type":"entry"') == 6
    for canary in canaries:
        assert canary.lower() not in told.decode().lower()
