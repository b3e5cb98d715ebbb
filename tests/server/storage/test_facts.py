"""Facts: told with what happened, in the order of commits, read on from durable positions."""

import asyncio

import pytest
from sqlalchemy import update

from server.storage.books.fact_book import append_facts, move_reader
from server.storage.schema import client
from tests.server.storage.entries import a_client
from tests.server.storage.facts import a_fact
from tests.server.storage.keepers import Keeper, PostgresKeeper, Store

FOREVER_US = 2**60


async def read(store: Store, reader: str = "reader", limit: int = 100) -> list[int]:
    """Return the numbers of the unread facts, and hold that their positions have no gap."""
    facts = await store.unread_facts(reader, limit)
    positions = [fact.position for fact in facts]
    assert positions == list(range(positions[0], positions[0] + len(facts))) if facts else True
    return [int(fact.fact.subject) for fact in facts]


async def test_a_fact_is_read_as_it_was_told(keeper: Keeper, store: Store) -> None:
    assert await store.subscribe("reader") == 0
    await keeper.append_facts([a_fact(7), a_fact(8)])
    facts = await store.unread_facts("reader", 10)
    assert [fact.position for fact in facts] == [1, 2]
    assert [fact.fact for fact in facts] == [a_fact(7), a_fact(8)]
    assert all(fact.time_us > 0 for fact in facts)


async def test_a_reader_goes_on_where_it_was_and_never_back(keeper: Keeper, store: Store) -> None:
    await store.subscribe("reader")
    await keeper.append_facts([a_fact(number) for number in range(1, 6)])
    assert await read(store, limit=2) == [1, 2]
    assert await read(store, limit=2) == [1, 2], "it has not said that it is done"
    await store.advance_reader("reader", 2)
    assert await read(await keeper.open()) == [3, 4, 5]
    await store.advance_reader("reader", 1)
    assert await read(store) == [3, 4, 5]
    assert await store.subscribe("reader") == 2, "a position is given once"


async def test_readers_do_not_disturb_each_other(keeper: Keeper, store: Store) -> None:
    await keeper.append_facts([a_fact(1)])
    assert await store.subscribe("late") == 1
    assert await store.subscribe("from the start", from_start=True) == 0
    await keeper.append_facts([a_fact(2)])
    assert await read(store, "late") == [2]
    assert await read(store, "from the start") == [1, 2]
    await store.advance_reader("late", 2)
    assert await read(store, "from the start") == [1, 2]


async def test_only_what_everybody_has_read_is_pruned(keeper: Keeper, store: Store) -> None:
    await store.subscribe("fast")
    await store.subscribe("slow")
    await keeper.append_facts([a_fact(number) for number in range(1, 5)])
    await store.advance_reader("fast", 4)
    await store.advance_reader("slow", 2)
    assert await store.prune_facts(0) == 0, "none of them is that old"
    assert await store.prune_facts(FOREVER_US) == 2
    assert await store.prune_facts(FOREVER_US) == 0
    assert await read(store, "slow") == [3, 4]
    await store.unsubscribe("slow")
    assert await store.prune_facts(FOREVER_US) == 2
    await keeper.append_facts([a_fact(5)])
    assert [fact.position for fact in await store.unread_facts("fast", 9)] == [5]


async def test_facts_that_nobody_reads_are_pruned_by_age_a_piece_at_a_time(
    keeper: Keeper, store: Store
) -> None:
    await keeper.append_facts([a_fact(number) for number in range(2_500)])
    pruned = []
    while count := await store.prune_facts(FOREVER_US):
        pruned.append(count)
    assert sum(pruned) == 2_500


async def test_a_reader_that_never_was_is_an_error(store: Store) -> None:
    with pytest.raises(LookupError):
        await store.unread_facts("nobody", 1)
    with pytest.raises(LookupError):
        await store.advance_reader("nobody", 1)
    await store.unsubscribe("nobody")


async def test_facts_of_many_writers_are_read_without_a_gap(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(4)]
    await handles[0].subscribe("reader")
    writing = asyncio.gather(*(keeper.append_facts([a_fact(n)] * 3) for n in range(30)))
    seen: list[int] = []
    while len(seen) < 90:
        facts = await handles[1].unread_facts("reader", 7)
        seen += [fact.position for fact in facts]
        if facts:
            await handles[2].advance_reader("reader", facts[-1].position)
        await asyncio.sleep(0)
    await writing
    assert seen == list(range(1, 91))


async def test_a_fact_stands_or_falls_with_what_it_tells(postgres: PostgresKeeper) -> None:
    store = await postgres.open()
    await a_client(store)
    await store.subscribe("reader")
    transactions = store._transactions

    async def happen(fault: Exception | None) -> None:
        async with transactions.writing() as connection:
            await connection.execute(update(client).values(name="changed"))
            await append_facts(transactions.now_us, connection, [a_fact(1)])
            await append_facts(transactions.now_us, connection, [])
            if fault is not None:
                raise fault

    async def act_on_it(fault: Exception | None) -> None:
        async with transactions.writing() as connection:
            await move_reader(connection, "reader", 1)
            if fault is not None:
                raise fault

    for step, told in ((happen, []), (act_on_it, [1])):
        with pytest.raises(RuntimeError, match="on the way"):
            await step(RuntimeError("on the way"))
        assert await read(store) == told, "all of it was rolled back"
        await step(None)
        assert await read(store) == ([1] if step is happen else [])
        details = await store.client_details(1)
        assert details is not None
        assert details.name == "changed"
