"""Erasure is whole: nothing that was known of a host and its person is left, wherever one looks."""

from pathlib import Path

import pytest
from sqlalchemy import MetaData, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.report import Report, Value
from server.fleet.retention import Kept, limits
from server.journal.ports import ALL
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.keepers import Keeper, PostgresKeeper, SqliteKeeper, SqlKeeper
from tests.server.storage.test_fleet import (
    OTHER,
    SqlStore,
    allow,
    asked,
    enrolled,
    found,
    store,
    take,
    today,
)

__all__ = ["store"]

pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

NAME, PERSON = "zq-marked-laptop", "Zq Marked Person"
EARLIER, CLASH = "2d" * 16, "c1a5" * 8
MARKS = ("zq-marked", "zq marked")
"""In no other word of a store."""


def personal(tries: int) -> dict[str, Value]:
    """Return facts that name a person, another one each time."""
    return {
        **HEALTHY,
        "piv.certificate.9a.subject": f"CN={PERSON} {tries}",
        "piv.certificate.9a.issuer": f"CN={PERSON}'s own",
        "device.usb.enabled": ("fido2", f"zq-marked-{tries}"),
        "piv.pin.tries": tries,
    }


def said(*arguments: object, **more: object) -> Report:
    report = a_report(*arguments, **more)  # type: ignore[arg-type] # as that has them
    software = {"yubikey-manager": f"5.9.1-{PERSON}"}
    return report._replace(release=f"{PERSON}'s Debian", agent="zq-marked-agent", software=software)


async def fill(store: SqlStore) -> None:
    """Fill every table of the fleet with a host's and a person's names."""
    await enrolled(store, EARLIER, NAME)
    day = await today(store)
    only = a_key(personal(1), serial=77_777_771, last_seen=day)
    await take(store, said(only, host=EARLIER, day=day))
    await allow(store, "second", NAME.upper(), replaces=True)
    await store.enrol(asked(HOST, NAME, "second"))
    await allow(store, "third", NAME, replaces=True)
    await enrolled(store, OTHER, "laptop-18")
    shared = a_key({**HEALTHY, "device.firmware": "5.4.3"}, serial=5, last_seen=day)
    await take(store, a_report(shared, host=OTHER, day=day))
    for tries in range(2, 9):
        shared = a_key(personal(tries), serial=5, last_seen=day)  # and a dispute
        own = a_key(personal(tries), serial=77_777_772, last_seen=day)
        await take(store, said(shared, own, sequence=tries, day=day))
    await take(store, said(sequence=3, report_id=CLASH, day=day))
    lease = await store.acquire_lease("fleet-retention", "one", 10**12)
    assert lease is not None
    later = await store.store_time_us() + 10**14
    await store.mark_silent(limits(Kept(9_000, 9_000, 9_000, 30), later), lease)


async def contents(connection: AsyncConnection) -> dict[str, str]:
    """Return all rows of every table that the database has, as text, by table."""
    metadata = MetaData()
    await connection.run_sync(metadata.reflect)
    rows = {}
    for name, table in metadata.tables.items():
        rows[name] = ascii([tuple(row) for row in await connection.execute(select(table))]).lower()
    return rows


async def where(keeper: Keeper, *marks: str) -> set[str]:
    """Return the tables in which one of these is found."""
    assert isinstance(keeper, SqlKeeper)
    async with keeper.engine.connect() as connection:
        rows = await contents(connection)
    return {name for name, text in rows.items() if any(mark.lower() in text for mark in marks)}


def files_with(directory: Path, *marks: str) -> dict[str, int]:
    """Return the files in which a mark stands in some spelling, and how many times."""
    spelled = {one for mark in marks for one in (mark, mark.upper(), mark.title())}
    counts = {}
    for file in sorted(directory.rglob("*")):
        octets = file.read_bytes() if file.is_file() else b""
        if count := sum(octets.count(one.encode()) for one in spelled):
            counts[file.name] = count
    return counts


async def test_an_erased_host_is_in_no_table(store: SqlStore, keeper: Keeper) -> None:
    await fill(store)
    filled = {"fact", "fleet_change", "fleet_host", "fleet_key", "fleet_sighting", "fleet_token"}
    assert await where(keeper, *MARKS, HOST, EARLIER, "7777777") >= filled
    await store.erase_host(HOST, act=ACT)
    assert await where(keeper, "zq-marked", PERSON, NAME) <= {"fleet_key", "fleet_change"}
    assert await where(keeper, NAME) == set()
    assert await where(keeper, "7777777") == set()
    # Its id alone, so that it does not come back, and in the journal, which is kept for good.
    assert await where(keeper, HOST, EARLIER) == {"fleet_host", "journal"}
    assert NAME not in str(await store.journal_entries(0, 1000, ALL)).lower()


async def test_what_a_host_said_of_a_key_that_others_have_says_not_who_said_it(
    store: SqlStore, keeper: Keeper
) -> None:
    await fill(store)
    await store.erase_host(HOST, act=ACT)
    (left,) = await found(store)
    assert left.key.serial == 5
    assert left.key.disputed == ()
    assert left.key.facts["device.firmware"].value == "5.4.3"
    # What the key has in it is the key's: it goes with the key.
    assert await store.erase_fleet_key("serial:5", act=ACT)
    assert await where(keeper, *MARKS) == set()
    assert await where(keeper, "serial:5") == set()


async def test_nothing_of_it_is_in_a_file_of_the_embedded_store(
    store: SqlStore, keeper: Keeper
) -> None:
    if isinstance(keeper, PostgresKeeper):
        return  # its pages are the server's: docs/fleet.md says when it overwrites them
    assert isinstance(keeper, SqliteKeeper)
    await fill(store)
    assert files_with(keeper.path.parent, *MARKS)
    await store.erase_host(HOST, act=ACT)
    assert files_with(keeper.path.parent, NAME) == {}
    await store.erase_fleet_key("serial:5", act=ACT)
    assert files_with(keeper.path.parent, *MARKS) == {}, "while it is in use"
    await keeper.close()
    assert files_with(keeper.path.parent, *MARKS) == {}
