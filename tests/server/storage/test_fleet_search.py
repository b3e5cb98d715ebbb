"""Searches in a fleet that is too large to look through: what is found, and through which index."""

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from agent.report import Report
from server.fleet.health import Level
from server.fleet.ports import Search
from server.storage.postgres.store import PostgresStore
from server.storage.schema import fleet_alarm, fleet_claim, fleet_holder
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.fleet_bench.filling import Fleet, fill_postgres, fill_sqlite
from tests.server.fleet_bench.laptops import Laptop, facts_of
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import Keeper, PostgresKeeper, SqliteKeeper

pytestmark = pytest.mark.parametrize("engine", ["sqlite", "postgres"])

SqlStore = SqliteStore | PostgresStore
KEYS = 2_400
CRITERIA: Mapping[str, Any] = {
    "serial": 10_000_017,
    "host_name": "Laptop-17",
    "firmware": (5,),
    "level": Level.WARNING,
    "rule": "fido-pin-not-set",
}
COMBINATIONS = [
    together
    for length in range(len(CRITERIA) + 1)
    for together in itertools.combinations(CRITERIA, length)
]


async def opened(keeper: Keeper) -> SqlStore:
    store = await keeper.open()
    assert isinstance(store, SqliteStore | PostgresStore)
    return store


@pytest.fixture
async def store(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[SqlStore]:
    fleet = Fleet("test", KEYS, 1, datetime.now(UTC).date())
    keeper: SqliteKeeper | PostgresKeeper
    if engine == "sqlite":
        path = tmp_path / "keystead.db"
        made = SqliteKeeper(path, POLICY)
        await made.open()
        await made.close()
        fill_sqlite(path, fleet)
        keeper = SqliteKeeper(path, POLICY)
    else:
        url: str = request.getfixturevalue("postgres_url")
        keeper = PostgresKeeper(url, POLICY)
        await keeper.open()
        await fill_postgres(url, fleet)
    yield await opened(keeper)
    await keeper.close()


def wanted(together: tuple[str, ...]) -> Search:
    return Search(**{name: CRITERIA[name] for name in together})


async def everything(store: SqlStore, search: Search, limit: int = 1_000) -> list[str]:
    """Return the ids of all keys that are looked for, page by page."""
    found: list[str] = []
    while page := await store.fleet_keys(search, found[-1] if found else "", limit):
        found += [one.key.key_id for one in page]
    return found


async def test_every_combination_finds_what_each_of_its_parts_finds(store: SqlStore) -> None:
    parts = {name: set(await everything(store, wanted((name,)))) for name in CRITERIA}
    of_all = await everything(store, Search())
    assert len(of_all) == KEYS
    assert of_all == sorted(of_all)
    assert all(0 < len(part) < KEYS for part in parts.values())
    for together in COMBINATIONS:
        expected = set(of_all).intersection(*(parts[name] for name in together))
        found = await everything(store, wanted(together), limit=97)
        assert found == sorted(expected), together


@contextmanager
def heard(store: SqlStore) -> Iterator[list[tuple[str, Any]]]:
    """Write down the statements of the books."""
    statements: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's event
        statements.append((statement, values))

    event.listen(store._engine.sync_engine, "before_cursor_execute", hear)
    yield statements
    event.remove(store._engine.sync_engine, "before_cursor_execute", hear)


async def plan(store: SqlStore, statement: str, values: Any) -> str:  # noqa: ANN401 - a driver's
    how = "EXPLAIN QUERY PLAN " if isinstance(store, SqliteStore) else "EXPLAIN "
    async with store._transactions.reading() as connection:
        rows = await connection.exec_driver_sql(how + statement, values)
        return "\n".join(str(row[-1]) for row in rows)


def looks_through(plan: str) -> list[str]:
    """Return the steps of a plan that look through a table of the fleet from end to end."""
    return [
        line
        for line in plan.splitlines()
        if "Seq Scan on fleet" in line or (line.startswith("SCAN fleet") and "INDEX" not in line)
    ]


async def fill_registry(store: SqlStore) -> None:
    """Have a holder, a claim and an alarm at as many other keys, none of which is found."""
    ids = [f"serial:{number}" for number in range(1, KEYS)]
    held = {"person": "Anna", "person_folded": "anna", "kind": "spare"}
    claimed = held | {"number": 1, "day": "2026-01-01", "waits": True}
    async with store._transactions.writing() as connection:
        for table, rows in (
            (fleet_holder, [held | {"key_id": one, "after": "", "lost": ""} for one in ids]),
            (
                fleet_claim,
                [claimed | {"key_id": one, "host_id": "0f", "claim_id": one} for one in ids],
            ),
            (fleet_alarm, [{"key_id": one, "rule": "shared", "party": "anna"} for one in ids]),
        ):
            await connection.execute(table.insert(), rows)
            await connection.exec_driver_sql(f"ANALYZE {table.name}")


async def test_no_combination_looks_through_a_table(store: SqlStore) -> None:
    await fill_registry(store)
    for together in COMBINATIONS:
        with heard(store) as statements:
            # So few that a small table is no reason to look through it.
            await store.fleet_keys(wanted(together), "serial:10000010", 3)
        read = [one for one in statements if one[0].lstrip().upper().startswith(("SELECT", "WITH"))]
        assert read
        for statement, values in read:
            found = await plan(store, statement, values)
            assert looks_through(found) == [], f"{together}: {statement}\n{found}"


async def test_all_that_is_counted_is_counted_from_an_index(store: SqlStore) -> None:
    keys = await store.key_counts()
    assert sum(one.keys for one in keys) == KEYS
    rules = await store.rule_counts()
    assert rules["fido-pin-not-set"] == len(await everything(store, wanted(("rule",))))
    at_warning = sum(one.keys for one in keys if one.level is Level.WARNING)
    assert at_warning == len(await everything(store, wanted(("level",))))
    of_five = sum(one.keys for one in keys if one.firmware.startswith("5."))
    assert of_five == len(await everything(store, wanted(("firmware",))))
    assert {one.line for one in keys} >= {"YubiKey 4", "YubiKey 5", "YubiKey NEO"}
    assert sum((await store.host_counts()).values()) == KEYS


async def test_a_store_that_was_filled_is_one_that_reports_filled(
    store: SqlStore, engine: str, tmp_path: Path
) -> None:
    del engine, tmp_path
    today = datetime.now(UTC).date()
    laptop = Laptop("test", 17)
    again = laptop.report(2, today, laptop.key(facts_of(laptop.kind, today), today))
    before = await store.fleet_key(f"serial:{laptop.serial}")
    with heard(store) as statements:
        await store.take_reports([again])
    assert not any("INSERT INTO fleet_key" in statement for statement, _ in statements)
    assert await store.fleet_key(f"serial:{laptop.serial}") == before
    faults = set(await store.rule_counts())
    # The same, taken whole: a host with another enrolment says it.
    await _erase_and_report(store, laptop, again)
    after = await store.fleet_key(f"serial:{laptop.serial}")
    assert before is not None
    assert after is not None
    assert {name: fact.value for name, fact in after.key.facts.items()} == {
        name: fact.value for name, fact in before.key.facts.items()
    }
    assert set(await store.rule_counts()) == faults


async def _erase_and_report(store: SqlStore, laptop: Laptop, report: Report) -> None:
    other = Laptop("test", 18)
    await store.take_reports([report._replace(host=other.host_id, report_id="ab" * 16)])
    await store.erase_host(laptop.host_id, act=ACT)
