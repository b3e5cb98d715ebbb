"""The ledger in the store: appended with the change it tells of, one chain, whoever writes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from server.journal.canonical import MalformedError
from server.journal.chain import Chain
from server.ledger.entry import Kind, NewEntry
from server.maintenance import decisions
from server.storage.books.ledger_book import append_ledger
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.ledger.entries import incident_steps
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import Keeper, PostgresKeeper, SqliteKeeper
from tests.server.storage.test_maintenance import a_plan


@pytest.fixture(params=["sqlite", "postgres"])
async def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keeper]:
    """Return a keeper with tables: the ledger is written within their transactions."""
    made: Keeper
    if request.param == "sqlite":
        made = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    else:
        made = PostgresKeeper(request.getfixturevalue("postgres_url"), POLICY)
    yield made
    await made.close()


async def opened(keeper: Keeper) -> SqliteStore | PostgresStore:
    store = await keeper.open()
    assert isinstance(store, (SqliteStore, PostgresStore))
    return store


async def append(store: SqliteStore | PostgresStore, news: Sequence[NewEntry]) -> None:
    transactions = store._transactions
    async with transactions.writing() as connection:
        await append_ledger(transactions.now_us, connection, news)


async def test_entries_are_read_as_they_were_appended_and_make_one_chain(keeper: Keeper) -> None:
    store = await opened(keeper)
    news = [*incident_steps(2), NewEntry(Kind.NOTICE, "größe", {"n": [1, None, "zoë"]})]
    await append(store, news)
    await append(store, [])
    await append(store, incident_steps(1))
    entries = await store.ledger_entries(0, 9)
    told = [(one.kind, one.subject, one.payload and one.payload.value) for one in entries]
    assert told == [(new.kind, new.subject, new.payload) for new in [*news, *incident_steps(1)]]
    chain = Chain()
    assert [chain.follow(entry) for entry in entries] == [None] * 4
    assert chain.end == await store.ledger_end()
    assert await store.ledger_entries(1, 2) == entries[1:3]
    assert len({one.payload.salt for one in entries if one.payload}) == 4


async def test_what_is_rolled_back_is_not_in_the_ledger(keeper: Keeper) -> None:
    store = await opened(keeper)
    await append(store, incident_steps(1))
    with pytest.raises(MalformedError):
        await append(store, [*incident_steps(1), NewEntry(Kind.NOTICE, "1", {"n": 2**60})])
    assert (await store.ledger_end()).sequence == 1
    assert len(await store.ledger_entries(0, 9)) == 1


async def test_many_who_append_at_once_leave_one_chain(keeper: Keeper) -> None:
    store = await opened(keeper)
    await asyncio.gather(*(append(store, incident_steps(3)) for _ in range(8)))
    chain = Chain()
    entries = await store.ledger_entries(0, 99)
    assert [chain.follow(entry) for entry in entries] == [None] * 24


async def test_every_step_of_a_maintenance_is_in_the_ledger(keeper: Keeper) -> None:
    store = await opened(keeper)
    await store.add_maintenance(decisions.schedule(a_plan(), announce=True), act=ACT)
    await store.continue_maintenance(1, decisions.cancel, act=ACT)
    entries = await store.ledger_entries(0, 9)
    assert {(one.kind, one.subject) for one in entries} == {("maintenance", "1")}
    steps = [one.payload.value["step"] for one in entries if one.payload]
    assert steps == ["scheduled", "announced", "cancelled"]
