"""Leases: one holder at a time, and who lost one writes nothing under it."""

import asyncio

import pytest

from server.leases import Lease, LeaseLostError
from server.storage.books.fact_book import append_facts
from server.storage.books.lease_book import require_lease
from tests.server.journal.chains import a_chain, signed
from tests.server.storage.facts import a_fact
from tests.server.storage.keepers import Keeper, PostgresKeeper, Store

MINUTE_US = 60_000_000


async def granted(store: Store, holder: str = "one", name: str = "job") -> Lease:
    lease = await store.acquire_lease(name, holder, MINUTE_US)
    assert lease is not None
    return lease


async def test_a_lease_has_one_holder_until_it_ends(keeper: Keeper, store: Store) -> None:
    lease = await granted(store)
    assert (lease.name, lease.holder, lease.token) == ("job", "one", 1)
    assert lease.expires_us == lease.granted_us + MINUTE_US
    other = await keeper.open()
    assert await other.acquire_lease("job", "two", MINUTE_US) is None
    assert await store.acquire_lease("job", "one", MINUTE_US) is None, "not re-entrant"
    assert (await granted(other, "two", "another job")).token == 1
    await keeper.hours_pass()
    assert (await granted(other, "two")).token == 2


async def test_of_many_who_ask_at_once_one_is_granted_it(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(5)]
    for token in range(1, 6):
        found = await asyncio.gather(
            *(
                handle.acquire_lease("job", str(n), MINUTE_US)
                for n, handle in enumerate(handles * 3)
            )
        )
        (lease,) = [one for one in found if one is not None]
        assert lease.token == token
        await keeper.hours_pass()


async def test_a_renewed_lease_lasts_from_now_on(keeper: Keeper, store: Store) -> None:
    lease = await granted(store)
    keeper.clock.pass_by(30)
    renewed = await store.renew_lease(lease, MINUTE_US)
    assert renewed.token == lease.token
    assert renewed.expires_us == renewed.granted_us + MINUTE_US
    assert renewed.granted_us >= lease.granted_us
    keeper.clock.pass_by(40)
    assert await store.acquire_lease("job", "two", MINUTE_US) is None
    await store.add_checkpoint(signed(a_chain(1)), lease)


async def test_a_lease_that_was_given_back_can_be_had_at_once(store: Store) -> None:
    lease = await granted(store)
    await store.rest_lease(lease)
    again = await granted(store)
    assert again.token > lease.token
    with pytest.raises(LeaseLostError):
        await store.rest_lease(lease)


async def test_a_lease_at_rest_is_nobodys_until_then(keeper: Keeper, store: Store) -> None:
    lease = await granted(store)
    await store.rest_lease(lease, lease.granted_us + 2 * 3_600_000_000)
    assert await store.acquire_lease("job", "two", MINUTE_US) is None
    with pytest.raises(LeaseLostError):
        await store.renew_lease(lease, MINUTE_US)
    await keeper.hours_pass()
    assert (await granted(store, "two")).token > lease.token


@pytest.mark.parametrize("somebody_else_has_it", [False, True])
async def test_who_lost_a_lease_writes_nothing(
    keeper: Keeper, store: Store, *, somebody_else_has_it: bool
) -> None:
    await store.subscribe("reader")
    await keeper.append_facts([a_fact(1)])
    lease = await granted(store)
    await keeper.hours_pass()
    if somebody_else_has_it:
        await granted(await keeper.open(), "two")
    for write in (
        store.add_checkpoint(signed(a_chain(1)), lease),
        store.advance_reader("reader", 1, lease),
        store.prune_facts(2**60, lease),
        store.renew_lease(lease, MINUTE_US),
        store.rest_lease(lease),
    ):
        with pytest.raises(LeaseLostError, match="no longer held by one"):
            await write
    assert await store.last_checkpoint() is None
    assert len(await store.unread_facts("reader", 10)) == 1
    if somebody_else_has_it:
        assert await store.acquire_lease("job", "three", MINUTE_US) is None


async def test_a_lease_that_never_was_is_lost(store: Store) -> None:
    for made_up in (Lease("job", "one", 1, 0, 2**60), Lease("job", "one", 0, 0, 2**60)):
        with pytest.raises(LeaseLostError):
            await store.add_checkpoint(signed(a_chain(1)), made_up)


async def test_nobody_is_granted_a_lease_while_its_holder_commits(
    postgres: PostgresKeeper,
) -> None:
    """The holder proves its lease; the time runs out before its commit: others wait for that."""
    one, two = await postgres.open(), await postgres.open()
    await one.subscribe("reader", from_start=True)
    lease = await one.acquire_lease("job", "one", 1_000_000)
    assert lease is not None
    transactions = one._transactions
    async with transactions.writing() as connection:
        await require_lease(transactions.now_us, connection, lease)
        left_us = lease.expires_us - await transactions.now_us(connection)
        await asyncio.sleep(max(0, left_us) / 1_000_000 + 0.1)
        asking = asyncio.create_task(two.acquire_lease("job", "two", MINUTE_US))
        await asyncio.sleep(0.2)
        assert not asking.done()
        await append_facts(transactions.now_us, connection, [a_fact(1)])
    granted_next = await asking
    assert granted_next is not None
    assert granted_next.token == lease.token + 1
    assert len(await two.unread_facts("reader", 10)) == 1, "what it wrote came before the grant"
    with pytest.raises(LeaseLostError):
        await one.advance_reader("reader", 1, lease)
