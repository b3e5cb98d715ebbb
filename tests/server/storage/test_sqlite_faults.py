"""The embedded store under faults: it says what it knows, and recovers by itself."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from server.otp.decision import Decision, KeyUpdate
from server.otp.ports import Kind, Outcome, StoreError, StoreUnavailableError, UnknownOutcomeError
from server.storage.sqlite import hot
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.storage.entries import (
    POLICY,
    TOKEN,
    a_client,
    bad_otp,
    decide,
    new_key,
    otp,
    the_keys,
)
from tests.server.storage.keepers import SqliteKeeper

_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[SqliteKeeper]:
    """Return the embedded keeper alone."""
    made = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    yield made
    await made.close()


@pytest.fixture
async def store(keeper: SqliteKeeper) -> SqliteStore:
    """Return its store."""
    return await keeper.open()


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", _LOCK, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.stdin.close()


@contextmanager
def no_file_may_grow_beyond(octets: int) -> Iterator[None]:
    """Make writes fail, as on a full disk, without being root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def size_of_log(database: Path) -> int:
    return Path(f"{database}-wal").stat().st_size


async def test_a_foreign_lock_is_an_unavailable_store_until_it_goes(
    keeper: SqliteKeeper, store: SqliteStore
) -> None:
    client = await a_client(store)
    await the_keys(store)
    with locked_by_another_process(keeper.path):
        with pytest.raises(StoreUnavailableError, match="locked"):
            await decide(store, otp(client, 1, 1))
        with pytest.raises(StoreUnavailableError, match="locked"):
            await store.set_key_active(TOKEN, active=False, act=ACT)
        with pytest.raises(StoreUnavailableError):
            await store.probe()
        assert await store.key(TOKEN) is not None, "reads go on"
    assert await decide(store, otp(client, 1, 1)) == [Kind.OK]
    await store.probe()


async def test_a_full_disk_is_an_error_until_there_is_room_again(
    keeper: SqliteKeeper, store: SqliteStore
) -> None:
    client = await a_client(store)
    ids = [f"cccccccc{n:04d}" for n in range(400)]
    await the_keys(store, *ids)
    batch = [otp(client, 1, 1, public_id=public_id, free=True) for public_id in ids]
    with no_file_may_grow_beyond(size_of_log(keeper.path)):
        for _ in range(2):
            # The commit's write failed: whether it could have been durable is not known.
            with pytest.raises(UnknownOutcomeError):
                await store.spend_and_advance(batch)
        with pytest.raises(StoreError):
            await store.add_keys([new_key(f"vvvvvvvv{n:04d}") for n in range(2000)], act=ACT)
        with pytest.raises(StoreUnavailableError):
            await store.probe()
    await store.probe()
    assert set(await decide(store, *batch)) == {Kind.OK}
    assert await store.key("vvvvvvvv0000") is None
    assert len(await store.list_keys(None, 10_000)) == len(ids)


async def test_a_decision_that_the_stored_counters_contradict_is_not_committed(
    keeper: SqliteKeeper, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 5, 5))
    before = await keeper.counters()

    def wrong(*_: object, **__: object) -> Decision:
        update = KeyUpdate(TOKEN, 5, 5, 0, "", 0, client)
        return Decision([Outcome(Kind.OK)], {}, [update])

    monkeypatch.setattr(hot, "decide", wrong)
    with pytest.raises(StoreUnavailableError, match="did not move"):
        await decide(store, otp(client, 5, 5, nonce="other"))
    monkeypatch.undo()
    assert await keeper.counters() == before
    assert await decide(store, otp(client, 5, 6)) == [Kind.OK]


async def test_an_interrupted_import_is_nowhere_to_be_seen_and_removed_at_the_next_start(
    keeper: SqliteKeeper, store: SqliteStore
) -> None:
    client = await a_client(store)
    await the_keys(store)
    staged = [f"vvvvvvvv{n:04d}" for n in range(1200)]
    rows = {
        "session": -1,
        "use": -1,
        "clock": 0,
        "nonce": "",
        "active": True,
        "accepted_us": 0,
        "accepted_client": 0,
        "version": -7,
    }
    record = {"generation": 1, "record": b"", "serial": "", "created_us": 0}
    async with keeper.engine.begin() as connection:
        await connection.execute(
            keeper.table("meta").insert(), [{"name": "unfinished-key-import", "value": "7"}]
        )
        for name, columns in (("otp_key", rows), ("otp_key_record", record)):
            await connection.execute(
                keeper.table(name).insert(), [{"public_id": one, **columns} for one in staged]
            )
    first = staged[0]
    assert await store.key(first) is None
    assert await store.key_details(first) is None
    assert await store.set_key_active(first, active=False, act=ACT) is None
    assert [key.public_id for key in await store.list_keys(None, 10)] == [TOKEN]
    assert await decide(
        store,
        bad_otp(client, public_id=first, key_version=0),
        otp(client, 1, 1, public_id=first, key_version=1),
    ) == [Kind.CHARGED, Kind.MISSING_COUNTER]
    await keeper.close()
    store = await keeper.open()
    assert set(await keeper.counters()) == {TOKEN}
    await the_keys(store, *staged)
    assert await store.key(first) is not None


async def test_batches_and_administration_never_find_the_file_locked(
    keeper: SqliteKeeper, store: SqliteStore
) -> None:
    client = await a_client(store)
    await the_keys(store)

    async def validate() -> None:
        for use in range(40):
            await decide(store, otp(client, 1, use, free=True))

    async def administer() -> None:
        for number in range(20):
            await store.set_meta("name", str(number))
            await store.list_keys(None, 10)
            await store.key(TOKEN)

    await asyncio.gather(validate(), *(administer() for _ in range(3)))
    assert (await keeper.counters())[TOKEN].use == 39


async def test_a_caller_that_gives_up_does_not_disturb_its_batch(store: SqliteStore) -> None:
    client = await a_client(store)
    await the_keys(store)
    asking = asyncio.create_task(decide(store, otp(client, 1, 1)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await decide(store, otp(client, 1, 1)) == [Kind.REPLAYED_REQUEST]


async def test_the_log_stays_small_under_steady_load(keeper: SqliteKeeper) -> None:
    store = SqliteStore(
        keeper.path, clock=keeper.clock, default_policy=POLICY, cache_mib=1, checkpoint_pages=200
    )
    await (await keeper.open()).close()
    keeper._opened.clear()
    client = await a_client(store)
    ids = [f"cccccccc{n:04d}" for n in range(400)]
    await the_keys(store, *ids)
    sizes = []
    for use in range(60):
        batch = [otp(client, 1, use, public_id=one, free=True) for one in ids[use % 4 :: 4]]
        assert set(await decide(store, *batch)) == {Kind.OK}
        sizes.append(size_of_log(keeper.path))
    # A log that never started over would have grown with every batch.
    assert len(set(sizes[-20:])) <= 3
    await store.close()


async def test_a_checkpoint_that_fails_stops_nothing(
    keeper: SqliteKeeper, store: SqliteStore
) -> None:
    client = await a_client(store)
    await the_keys(store)
    with structlog.testing.capture_logs() as lines:
        keeper.path.rename(keeper.path.with_suffix(".moved"))
        store._checkpoints.note(10**6)
        task = store._checkpoints._task
        assert task is not None
        await task
        keeper.path.with_suffix(".moved").rename(keeper.path)
    assert [line["event"] for line in lines] == ["a checkpoint of the store failed"]
    assert await decide(store, otp(client, 1, 1)) == [Kind.OK]


async def test_a_client_id_that_is_taken_is_refused_and_its_client_unchanged(
    store: SqliteStore,
) -> None:
    client = await a_client(store)
    before = await store.client_details(client)
    with pytest.raises(ValueError, match="exists already"):
        await store.add_client(client, "other", b"x", signed_only=True, phishing_test=True, act=ACT)
    assert await store.client_details(client) == before
