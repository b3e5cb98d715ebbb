"""The ledger in the store: appended with the change it tells of, one chain, whoever writes."""

import asyncio
from collections.abc import Sequence

import pytest

from server.journal.canonical import MalformedError
from server.journal.chain import Chain
from server.journal.checkpoint import ChainName, sign_checkpoint
from server.leases import LeaseLostError
from server.ledger.entry import Kind, NewEntry
from server.maintenance import decisions
from tests.server.acts import ACT
from tests.server.journal.chains import KEY, KEYS
from tests.server.ledger.entries import incident_steps
from tests.server.storage.keepers import Keeper
from tests.server.storage.test_maintenance import a_plan


async def append(keeper: Keeper, news: Sequence[NewEntry]) -> None:
    await keeper.append_ledger(news)


async def test_entries_are_read_as_they_were_appended_and_make_one_chain(keeper: Keeper) -> None:
    store = await keeper.open()
    news = [*incident_steps(2), NewEntry(Kind.NOTICE, "größe", {"n": [1, None, "zoë"]})]
    await append(keeper, news)
    await append(keeper, [])
    await append(keeper, incident_steps(1))
    entries = await store.ledger_entries(0, 9)
    told = [(one.kind, one.subject, one.payload and one.payload.value) for one in entries]
    assert told == [(new.kind, new.subject, new.payload) for new in [*news, *incident_steps(1)]]
    chain = Chain()
    assert [chain.follow(entry) for entry in entries] == [None] * 4
    assert chain.end == await store.ledger_end()
    assert await store.ledger_entries(1, 2) == entries[1:3]
    assert len({one.payload.salt for one in entries if one.payload}) == 4


async def test_what_is_rolled_back_is_not_in_the_ledger(keeper: Keeper) -> None:
    store = await keeper.open()
    await append(keeper, incident_steps(1))
    with pytest.raises(MalformedError):
        await append(keeper, [*incident_steps(1), NewEntry(Kind.NOTICE, "1", {"n": 2**60})])
    assert (await store.ledger_end()).sequence == 1
    assert len(await store.ledger_entries(0, 9)) == 1


async def test_many_who_append_at_once_leave_one_chain(keeper: Keeper) -> None:
    store = await keeper.open()
    await asyncio.gather(*(append(keeper, incident_steps(3)) for _ in range(8)))
    chain = Chain()
    entries = await store.ledger_entries(0, 99)
    assert [chain.follow(entry) for entry in entries] == [None] * 24


async def test_every_step_of_a_maintenance_is_in_the_ledger(keeper: Keeper) -> None:
    store = await keeper.open()
    await store.add_maintenance(decisions.schedule(a_plan(), announce=True), act=ACT)
    await store.continue_maintenance(1, decisions.cancel, act=ACT)
    entries = await store.ledger_entries(0, 9)
    assert {(one.kind, one.subject) for one in entries} == {("maintenance", "1")}
    steps = [one.payload.value["step"] for one in entries if one.payload]
    assert steps == ["scheduled", "announced", "cancelled"]


async def test_checkpoints_of_the_ledger_are_its_own(keeper: Keeper) -> None:
    store = await keeper.open()
    await append(keeper, incident_steps(1))
    made = sign_checkpoint(await store.ledger_end(), 1, KEY, ChainName.LEDGER)
    assert await store.last_ledger_checkpoint() is None
    assert [await store.add_ledger_checkpoint(one) for one in (made, made)] == [1, 2]
    assert await store.ledger_checkpoints(1, 9) == [(2, made)]
    assert await store.last_ledger_checkpoint() == made
    assert KEYS.doubt(made) is None
    assert await store.last_checkpoint() is None


async def test_a_payload_is_erased_once_and_the_journal_says_so(keeper: Keeper) -> None:
    store = await keeper.open()
    await append(keeper, incident_steps(3))
    whole = await store.ledger_entries(0, 9)
    assert await store.erase_payload(2, act=ACT)
    assert not await store.erase_payload(2, act=ACT)
    assert not await store.erase_payload(9, act=ACT)
    assert await store.ledger_entries(0, 9) == [
        whole[0],
        whole[1]._replace(payload=None),
        whole[2],
    ]
    assert [one.deed.subject.id for one in await store.journal_entries(0, 9)] == ["2"]


async def test_old_payloads_of_one_kind_are_erased(keeper: Keeper) -> None:
    store = await keeper.open()
    await append(keeper, [*incident_steps(2), NewEntry(Kind.MAINTENANCE, "1", {})])
    now_us = await store.store_time_us()
    assert await store.prune_payloads(Kind.INCIDENT, now_us - 10**9) == 0
    assert await store.prune_payloads(Kind.INCIDENT, now_us + 10**9) == 2
    assert await store.prune_payloads(Kind.INCIDENT, now_us + 10**9) == 0
    kept = [one.payload is not None for one in await store.ledger_entries(0, 9)]
    assert kept == [False, False, True]
    lease = await store.acquire_lease("job", "one", 60_000_000)
    assert lease is not None
    await store.rest_lease(lease)
    with pytest.raises(LeaseLostError):
        await store.prune_payloads(Kind.MAINTENANCE, now_us + 10**9, lease)
