"""PostgreSQL under faults: what may have been committed is unknown, the rest is not written."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg  # type: ignore[import-untyped] # the driver ships no types
import pytest
import structlog

from server.otp.ports import Kind, StoreError, StoreUnavailableError, UnknownOutcomeError
from server.storage.postgres.store import PostgresStore, open_postgres
from server.storage.refusals import UnsafeDatabaseError
from tests.postgres_server import PostgresServer
from tests.server.storage.entries import (
    OTHER,
    POLICY,
    TOKEN,
    a_client,
    bad_otp,
    decide,
    otp,
    the_keys,
)

PATIENCE_S = 20.0

Open = Callable[..., Awaitable[PostgresStore]]


@pytest.fixture
async def open_store(postgres_url: str) -> AsyncIterator[Open]:
    """Return what opens a store on a clean database."""
    opened: list[PostgresStore] = []

    async def open_it(command_timeout_s: float = 5.0) -> PostgresStore:
        store = await open_postgres(
            postgres_url, default_policy=POLICY, command_timeout_s=command_timeout_s
        )
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        await store.close()


@pytest.fixture
async def bystander(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Return a foreign connection that may hold locks."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    with contextlib.suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
        await connection.close(timeout=1)


async def eventually(what: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not await what():
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.01)


async def waiting_batch(url: str, event: str) -> int | None:
    """Return the backend of a batch that waits for something, or None."""
    # A connection of its own: within a transaction the server shows what it first showed.
    connection = await asyncpg.connect(url)
    try:
        pid: int | None = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE query LIKE '-- Decides a batch%'"
            " AND wait_event_type || wait_event LIKE $1 AND datname = current_database()",
            f"%{event}%",
        )
        return pid
    finally:
        await connection.close()


async def recovered(store: PostgresStore, call: Callable[[], Awaitable[object]]) -> None:
    """Wait until the store is available again."""

    async def attempt() -> bool:
        with contextlib.suppress(StoreUnavailableError):
            await call()
            return True
        return False

    await eventually(attempt)
    await store.probe()


async def test_a_server_killed_during_a_batch_leaves_its_outcome_unknown_and_the_store_recovers(
    open_store: Open,
    bystander: asyncpg.Connection,
    postgres_server: PostgresServer,
    postgres_url: str,
) -> None:
    store = await open_store()
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1))
    transaction = bystander.transaction()
    await transaction.start()
    await bystander.execute("SELECT 1 FROM otp_key FOR UPDATE")
    asking = asyncio.create_task(decide(store, otp(client, 1, 2)))
    await eventually(lambda: waiting_batch(postgres_url, "Lock"))
    postgres_server.kill9()
    try:
        with pytest.raises(UnknownOutcomeError):
            await asking
        with pytest.raises(StoreUnavailableError):
            await decide(store, otp(client, 1, 2))
        with pytest.raises(StoreUnavailableError):
            await store.key(TOKEN)
        with pytest.raises(StoreUnavailableError):
            await store.key_details(TOKEN)
        with pytest.raises(StoreUnavailableError):
            await store.probe()
    finally:
        postgres_server.start()
    await recovered(store, lambda: decide(store, bad_otp(client)))
    assert await decide(store, otp(client, 1, 1, nonce="x")) == [Kind.REPLAYED_OTP]
    assert await decide(store, otp(client, 1, 2)) == [Kind.OK]
    assert await store.key_details(TOKEN) is not None


async def test_a_stopped_server_is_an_unavailable_store_until_it_is_back(
    open_store: Open, postgres_server: PostgresServer
) -> None:
    store = await open_store()
    client = await a_client(store)
    await the_keys(store)
    postgres_server.stop()
    try:
        # The connection's end may not have been noticed when the batch is sent.
        with pytest.raises(StoreError):
            await decide(store, otp(client, 1, 1))
        with pytest.raises(StoreUnavailableError):
            await decide(store, otp(client, 1, 1))
    finally:
        postgres_server.start()
    await recovered(store, lambda: decide(store, otp(client, 1, 1)))
    assert await decide(store, otp(client, 1, 1)) == [Kind.REPLAYED_REQUEST]


async def test_connections_that_were_cut_are_made_anew_without_an_error(
    open_store: Open, bystander: asyncpg.Connection
) -> None:
    store = await open_store()
    client = await a_client(store)
    await the_keys(store)
    await store.key(TOKEN)
    await decide(store, otp(client, 1, 1))
    await bystander.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def noticed() -> bool:
        connection = store._hot._lane._connection
        return connection is None or connection.is_closed()

    await eventually(noticed)
    assert await decide(store, otp(client, 1, 2)) == [Kind.OK]
    assert await store.key(TOKEN) is not None
    assert await store.key_details(TOKEN) is not None


async def test_a_batch_that_waits_too_long_for_a_lock_writes_nothing(
    open_store: Open, bystander: asyncpg.Connection
) -> None:
    store = await open_store(command_timeout_s=0.2)
    client = await a_client(store)
    await the_keys(store)
    async with bystander.transaction():
        await bystander.execute("SELECT 1 FROM otp_key FOR UPDATE")
        with pytest.raises(StoreUnavailableError, match="nothing was written"):
            await decide(store, otp(client, 1, 1))
    assert await decide(store, otp(client, 1, 1)) == [Kind.OK]


async def test_a_deadlock_is_tried_again(
    open_store: Open, bystander: asyncpg.Connection, postgres_url: str
) -> None:
    store = await open_store()
    client = await a_client(store)
    await the_keys(store)
    await decide(store, otp(client, 1, 1))
    # The server ends one of the two, mostly the one that has waited longer: our batch.
    for use in range(2, 10):
        transaction = bystander.transaction()
        await transaction.start()
        # The wrong way round: the purse first, then the key.
        await bystander.execute("SELECT 1 FROM budget FOR UPDATE")
        asking = asyncio.create_task(decide(store, otp(client, 1, use, free=True)))
        await eventually(lambda: waiting_batch(postgres_url, "Lock"))
        try:
            await bystander.execute("SELECT 1 FROM otp_key FOR UPDATE")
        except asyncpg.DeadlockDetectedError:
            await transaction.rollback()
            assert await asking == [Kind.OK]
            continue
        await transaction.commit()
        assert await asking == [Kind.OK], "it was rolled back, and decided the second time"
        return
    raise AssertionError("the batch was never the victim")


@pytest.fixture
def a_replica_that_never_answers(postgres_server: PostgresServer) -> Iterator[None]:
    """Make every commit wait for a synchronous replica that does not exist."""
    postgres_server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    postgres_server.execute("SELECT pg_reload_conf()")
    yield
    postgres_server.execute("ALTER SYSTEM RESET synchronous_standby_names")
    postgres_server.execute("SELECT pg_reload_conf()")


async def prepared(store: PostgresStore) -> int:
    client = await a_client(store)
    await the_keys(store, TOKEN, OTHER)
    await decide(store, otp(client, 1, 1))
    return client


async def held_up(store: PostgresStore, client: int, url: str) -> asyncio.Task[list[Kind]]:
    """Return a batch whose commit waits: the server takes a moment to read its settings."""
    for use in range(2, 256):
        asking = asyncio.create_task(decide(store, otp(client, 1, use, free=True)))

        async def waits_or_done(asking: asyncio.Task[list[Kind]] = asking) -> bool:
            return asking.done() or await waiting_batch(url, "SyncRep") is not None

        await eventually(waits_or_done)
        if not asking.done():
            return asking
    raise AssertionError("no commit waits for the replica")


async def test_a_commit_that_did_not_wait_for_its_replica_is_unknown(
    open_store: Open,
    bystander: asyncpg.Connection,
    postgres_url: str,
    request: pytest.FixtureRequest,
) -> None:
    store = await open_store()
    client = await prepared(store)
    request.getfixturevalue("a_replica_that_never_answers")
    asking = await held_up(store, client, postgres_url)
    pid = await waiting_batch(postgres_url, "SyncRep")
    await bystander.execute("SELECT pg_cancel_backend($1)", pid)
    # The server says that the statement succeeded, and warns that it is on no replica.
    with pytest.raises(UnknownOutcomeError, match="did not wait for its replicas"):
        await asking


async def test_a_commit_that_is_not_confirmed_in_time_is_unknown(
    open_store: Open, postgres_url: str, request: pytest.FixtureRequest
) -> None:
    store = await open_store(command_timeout_s=0.5)
    client = await prepared(store)
    request.getfixturevalue("a_replica_that_never_answers")
    asking = await held_up(store, client, postgres_url)
    with pytest.raises(UnknownOutcomeError, match="TimeoutError"):
        await asking


async def test_a_lost_purse_is_made_again(open_store: Open, bystander: asyncpg.Connection) -> None:
    store = await open_store()
    client = await prepared(store)
    await bystander.execute("DELETE FROM budget")
    assert await decide(store, otp(client, 1, 2)) == [Kind.STALE_CLIENT]
    assert await decide(store, otp(client, 1, 2)) == [Kind.OK]


async def test_a_read_only_server_is_unavailable_and_not_ready(
    open_store: Open, bystander: asyncpg.Connection, postgres_url: str
) -> None:
    store = await open_store()
    client = await prepared(store)
    name = postgres_url.rpartition("/")[2]
    await bystander.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        await store._directory.close()
        await store._hot.close()
        with pytest.raises(StoreUnavailableError, match="read-only"):
            await decide(store, otp(client, 1, 2))
        with pytest.raises(StoreUnavailableError, match="read-only"):
            await store.probe()
    finally:
        await bystander.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def test_a_session_that_does_not_wait_for_its_commits_is_refused(
    bystander: asyncpg.Connection, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    await bystander.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    try:
        with pytest.raises(UnsafeDatabaseError, match=r"synchronous_commit is off.*ALTER ROLE"):
            await open_postgres(postgres_url, default_policy=POLICY)
    finally:
        await bystander.execute(f"ALTER DATABASE {name} RESET synchronous_commit")


async def test_a_server_without_fsync_is_warned_about(
    open_store: Open,
) -> None:
    with structlog.testing.capture_logs() as lines:
        await open_store()
    assert [line["setting"] for line in lines] == ["fsync = off"]
