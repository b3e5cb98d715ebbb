"""The book of nodes, backups and the fence keeps its promises on both engines."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import pytest

from server.counter_journal.desk import FenceDesk, FenceError
from server.counter_journal.ports import Place
from server.counter_journal.records import Accepted
from server.journal.acts import Actor, Cause, Deed, Subject
from server.otp.ports import Kind
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT, CAUSE
from tests.server.counter_journal.nodes import NEW, NODE, STORE, accept, fence, node
from tests.server.storage.entries import OTHER, POLICY, TOKEN, a_client, decide, otp, the_keys
from tests.server.storage.keepers import PostgresKeeper, SqliteKeeper

DEED = Deed(ACT, Subject("a", "b"), None, None)
SqlKeeper: TypeAlias = SqliteKeeper | PostgresKeeper
SqlStore: TypeAlias = SqliteStore | PostgresStore


@pytest.fixture(params=["sqlite", "postgres"])
async def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlKeeper]:
    """Return each keeper that has tables."""
    made: SqlKeeper
    if request.param == "sqlite":
        made = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    else:
        made = PostgresKeeper(request.getfixturevalue("postgres_url"), POLICY)
    yield made
    await made.close()


@pytest.fixture
async def store(keeper: SqlKeeper) -> SqlStore:
    """Return a handle on the keeper's store, with nothing in it."""
    return await keeper.open()


def desk(store: SqlStore) -> FenceDesk:
    return FenceDesk(store, store=STORE)


async def test_counters_are_raised_and_never_lowered(store: SqlStore) -> None:
    client = await a_client(store)
    await the_keys(store, TOKEN, OTHER)
    assert await decide(store, otp(client, 5, 5)) == [Kind.OK]
    done = await store.raise_counters(
        [
            Accepted(TOKEN, 5, 4, 1, 9),
            Accepted(OTHER, 2, 3, 1, 9),
            Accepted("ccccccccccbb", 1, 1, 1, 9),
        ]
    )
    assert done == (1, frozenset({"ccccccccccbb"}))
    assert await decide(store, otp(client, 5, 5, nonce="n")) == [Kind.REPLAYED_OTP]
    assert await decide(store, otp(client, 2, 3, public_id=OTHER)) == [Kind.REPLAYED_OTP]
    assert await decide(store, otp(client, 2, 4, public_id=OTHER)) == [Kind.OK]
    assert (await store.raise_counters([Accepted(TOKEN, 4, 255, 1, 9)])).raised == 0


async def test_a_raised_counter_passes_for_no_repeated_request(store: SqlStore) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1, nonce="used before"))
    await store.raise_counters([Accepted(TOKEN, 1, 2, 1, 9)])
    for nonce in ("used before", ""):
        assert await decide(store, otp(client, 1, 2, nonce=nonce)) == [Kind.REPLAYED_OTP]


async def test_many_counters_are_raised_in_turns(store: SqlStore) -> None:
    ids = [f"cccccccc{number:04d}" for number in range(1_100)]
    await the_keys(store, *ids)
    done = await store.raise_counters([Accepted(one, 3, 4, 5, 6) for one in ids])
    assert done.raised == len(ids)
    listed = await store.list_keys(None, 2_000)
    assert {(key.session, key.use, key.accepted_us) for key in listed} == {(3, 4, 6)}


async def test_nodes_and_the_newest_backups_are_remembered(store: SqlStore) -> None:
    await store.note_journal_node(NODE, Place(3))
    await store.note_journal_node(NODE, Place(7))
    await store.note_journal_node("machine-1", Place(None))
    assert await store.journal_nodes() == {NODE: Place(7), "machine-1": Place(None)}
    for number in range(3):
        await store.note_backup({"id": str(number), "made": "now", "nodes": {NODE: number}}, DEED)
    assert await store.kept_backups() == [{NODE: Place(1)}, {NODE: Place(2)}]


async def test_a_replay_of_all_journals_lifts_the_fence(
    keeper: SqlKeeper, store: SqlStore, tmp_path: Path
) -> None:
    client = await a_client(store)
    await the_keys(store)
    async with node(tmp_path / "j") as journal:
        await accept(journal, 1, 2, public_id=TOKEN.encode())
    await store.note_journal_node(NODE, Place(1))
    await keeper.install_meta("fence", fence(machine_0=1, machine_1=1).encode())
    done = await desk(store).replay([tmp_path / "j"], cause=CAUSE)
    assert (done.entries, done.raised, done.stands) == (2, 1, True)
    assert set(done.problems) == {"machine-1"}
    standing = await desk(store).status()
    assert standing is not None
    assert standing.problems == done.problems
    (entry,) = await store.latest_entries(1)
    assert (entry.deed.act.action, entry.deed.after) == (
        "fence.replay",
        {"entries": 2, "raised": 1, "unknown": 0, "problems": done.problems},
    )
    async with node(tmp_path / "k", "machine-1"):
        pass
    done = await desk(store).replay([tmp_path / "j", tmp_path / "k"], cause=CAUSE)
    assert not done.stands
    assert await desk(store).status() is None
    assert await store.journal_nodes() == {}  # those of before the restore are done with
    assert await decide(store, otp(client, 1, 2)) == [Kind.REPLAYED_OTP]
    assert await decide(store, otp(client, 1, 3)) == [Kind.OK]


async def test_a_node_that_came_back_is_not_forgotten_with_the_fence(
    keeper: SqlKeeper, store: SqlStore
) -> None:
    await store.note_journal_node(NODE, Place(1))
    await keeper.install_meta("fence", fence(machine_0=1).encode())
    await store.note_journal_node(NODE, Place(8))
    await desk(store).release(CAUSE)
    assert await store.journal_nodes() == {NODE: Place(8)}


async def test_a_release_needs_a_reason_and_keeps_it(keeper: SqlKeeper, store: SqlStore) -> None:
    with pytest.raises(FenceError, match="no fence"):
        await desk(store).release(CAUSE)
    await keeper.install_meta("fence", fence(machine_0=1).encode())
    for reason in ("", "  "):
        with pytest.raises(FenceError, match="say why"):
            await desk(store).release(Cause(CAUSE.actor, reason))
    assert await desk(store).status() is not None
    await desk(store).release(Cause(Actor("local", "7"), "the machine burned down"))
    assert await desk(store).status() is None
    (entry,) = await store.latest_entries(1)
    assert (entry.deed.act.action, entry.deed.act.actor.name) == ("fence.release", "7")
    assert entry.deed.act.reason == "the machine burned down"


async def test_keys_that_are_imported_again_after_a_replay_start_from_what_it_told(
    store: SqlStore, tmp_path: Path
) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 9, 4, public_id=TOKEN.encode())
    for _ in range(2):
        assert (await desk(store).replay([tmp_path], cause=CAUSE)).unknown == [TOKEN]
    client = await a_client(store)
    await the_keys(store)
    assert await decide(store, otp(client, 1, 9)) == [Kind.REPLAYED_OTP]
    again = await desk(store).replay([tmp_path], cause=CAUSE)
    assert (again.raised, again.unknown) == (0, [])
    assert await decide(store, otp(client, 1, 10)) == [Kind.OK]


async def test_a_store_that_went_back_without_a_restore_is_told_too(
    store: SqlStore, tmp_path: Path
) -> None:
    client = await a_client(store)
    await the_keys(store)
    async with node(tmp_path, epoch=NEW) as journal:
        await accept(journal, 9, public_id=TOKEN.encode())
        done = await desk(store).replay([tmp_path], cause=CAUSE)
    assert (done.raised, done.stands) == (1, False)
    assert await decide(store, otp(client, 1, 9)) == [Kind.REPLAYED_OTP]
    again = await desk(store).replay([tmp_path], cause=CAUSE)
    assert (again.raised, again.unknown) == (0, [])


async def test_a_directory_that_is_none_is_refused(store: SqlStore, tmp_path: Path) -> None:
    with pytest.raises(FenceError, match="no directory"):
        await desk(store).replay([tmp_path / "absent"], cause=CAUSE)
