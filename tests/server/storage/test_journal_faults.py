"""The journal in real databases: refused, overtaken, written to from behind."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update

from server.journal.acts import Deed, Subject
from server.journal.canonical import MalformedError
from server.journal.chain import Chain, Fault
from server.journal.desk import JournalDamagedError, JournalDesk
from server.otp.ports import StoreUnavailableError
from server.storage.books.journal_book import record
from server.storage.schema import client, journal
from server.storage.sqlite.connection import WRITES
from tests.server.acts import ACT
from tests.server.journal.chains import KEY
from tests.server.journal.copies import Copies
from tests.server.storage.entries import OTHER, POLICY, TOKEN, a_client, the_keys
from tests.server.storage.keepers import PostgresKeeper, SqliteKeeper

ROOT = Path(__file__).parents[3]

_REFUSE = {
    "sqlite": [
        "CREATE TRIGGER refuse BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'no'); END"
    ],
    "postgresql": [
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
           AS 'BEGIN RAISE EXCEPTION ''no''; END'""",
        "CREATE TRIGGER refuse BEFORE INSERT ON journal EXECUTE FUNCTION refuse()",
    ],
}

_APPENDER = """
import asyncio, sys
from server.journal.acts import Actor, Cause
from server.storage.postgres.store import open_postgres
from tests.server.storage.entries import POLICY

async def append(url, number):
    store = await open_postgres(url, default_policy=POLICY)
    act = Cause(Actor("system", number)).act("client.enable")
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(15):
        await store.set_client_active(1, active=True, act=act)
    await store.close()

asyncio.run(append(*sys.argv[1:]))
"""

SqlKeepers = SqliteKeeper | PostgresKeeper


@pytest.fixture(params=["sqlite", "postgres"])
async def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlKeepers]:
    """Return a keeper on tables, on a database of its own."""
    made: SqlKeepers
    if request.param == "sqlite":
        made = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    else:
        made = PostgresKeeper(request.getfixturevalue("empty_postgres_url"), POLICY)
    await made.open()
    yield made
    await made.close()


async def behind_its_back(keeper: SqlKeepers, *statements: object) -> None:
    """Do to the database what its owner never does."""
    engine = keeper.engine.execution_options(**{WRITES: True})
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement) if isinstance(statement, str) else statement)  # type: ignore[call-overload]


async def test_a_journal_that_cannot_be_written_rolls_every_change_back(
    keeper: SqlKeepers,
) -> None:
    store = await keeper.open()
    await a_client(store)
    await the_keys(store)
    before = await store.client_details(1), await store.key_details(TOKEN)
    await behind_its_back(keeper, *_REFUSE[keeper.engine.dialect.name])
    deed = Deed(ACT, Subject("store", ""), None, {})
    many = [f"cccccccc{n:04d}" for n in range(600)]
    for change in (
        store.set_client_active(1, active=False, act=ACT),
        store.set_client_limit(1, None, act=ACT),
        store.set_client_options(1, signed_only=True, phishing_test=None, act=ACT),
        store.add_api_key(1, 2, b"new", act=ACT),
        store.set_key_active(TOKEN, active=False, act=ACT),
        store.settle_meta("name", "value", deed),
        a_client(store),
        the_keys(store, OTHER),
        the_keys(store, *many),
    ):
        with pytest.raises(StoreUnavailableError, match="nothing was written"):
            await change
    assert (await store.client_details(1), await store.key_details(TOKEN)) == before
    assert [each.client_id for each in await store.list_clients(0, 10)] == [1]
    assert [each.public_id for each in await store.list_keys(None, 10)] == [TOKEN]
    assert await store.meta("name") is None
    assert (await store.journal_end()).sequence == 2


async def test_a_state_that_json_cannot_carry_rolls_the_change_back(keeper: SqlKeepers) -> None:
    store = await keeper.open()
    await a_client(store)
    deed = Deed(ACT, Subject("client", "1"), None, {"n": 2**60})
    transactions = store._transactions

    async def change() -> None:
        async with transactions.writing() as connection:
            await connection.execute(update(client).values(name="other"))
            await record(transactions.now_us, connection, deed)

    with pytest.raises(MalformedError):
        await change()
    details = await store.client_details(1)
    assert details is not None
    assert details.name == "someone"


async def test_several_processes_append_to_one_chain(postgres: PostgresKeeper) -> None:
    store = await postgres.open()
    await a_client(store)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _APPENDER,
            postgres.url,
            str(number),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        while await process.stdout.readline() != b"ready\n":
            assert not process.stdout.at_eof(), "it ended before it was ready"
    ended = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * len(ended)
    entries = await store.journal_entries(0, 1000)
    chain = Chain()
    assert [chain.follow(entry) for entry in entries] == [None] * 46
    assert sorted(entry.deed.act.actor.name for entry in entries[1:]) == sorted("012" * 15)
    assert await store.journal_end() == chain.end


async def test_a_journal_that_lost_its_end_does_not_go_on_as_if_nothing_were(
    keeper: SqlKeepers,
) -> None:
    store = await keeper.open()
    for _ in range(3):
        await a_client(store)
    await behind_its_back(keeper, delete(journal).where(journal.c.sequence >= 2))
    await a_client(store)
    chain = Chain()
    found = [chain.follow(entry) for entry in await store.journal_entries(0, 10)]
    assert found == [None, Fault(2, "entry 2 is missing: entry 4 follows")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("time_us", 2**62),
        ("time_us", -1),
        ("before", "no json"),
        ("after", "[]"),
        ("after", '{"a": 1, "a": 2}'),
        ("reason", "another"),
        ("actor_name", "somebody"),
        ("hash", b""),
        ("previous", b"\x00"),
        ("object_id", "7"),
    ],
)
async def test_what_is_written_into_the_table_is_shown_and_found(
    keeper: SqlKeepers, column: str, value: object
) -> None:
    store = await keeper.open()
    for _ in range(3):
        await a_client(store)
    await behind_its_back(
        keeper, update(journal).where(journal.c.sequence == 2).values({column: value})
    )
    entries = await store.journal_entries(0, 10)
    assert [entry.to_json()["sequence"] for entry in entries] == [1, 2, 3]
    with pytest.raises(JournalDamagedError, match="entry 2") as damage:
        await JournalDesk(store, KEY, Copies()).checkpoint()
    assert damage.value.fault.sequence == 2
