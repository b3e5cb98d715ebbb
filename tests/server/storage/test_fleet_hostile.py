"""What an enrolled laptop in the wrong hands tries, in both stores."""

import asyncio

import pytest

from server.clock import SystemClock
from server.fleet.advisory_file import shipped
from server.fleet.desk import FleetDesk
from server.fleet.ports import Search
from server.fleet.receipt import Receipt
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.test_fleet import (
    OTHER,
    SqlStore,
    enrolled,
    found,
    known,
    store,
    take,
)

__all__ = ["store"]

pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)


async def test_nobody_washes_away_what_others_noticed_of_a_key(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.storage.books.fleet_changes.MAX_CHANGES", 6)
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    for tries in (3, 2, 1):
        await take(store, a_report(a_key({**HEALTHY, "piv.pin.tries": tries}), sequence=4 - tries))
    for number in range(1, 30):
        lie = a_key({**HEALTHY, "piv.pin.tries": number % 2 + 5})
        await take(store, a_report(lie, host=OTHER, sequence=number))
    (one,) = await found(store)
    changes = await store.key_changes(one.key.key_id, 10**6, 100)
    assert len(changes) == 6
    honest = [(change.before, change.after) for change in changes if change.host_id == HOST]
    assert honest == [(2, 1), (3, 2)]
    assert changes[0].number == 31, "what was noted last is there"


async def test_a_host_that_clashes_all_day_fills_no_outbox(store: SqlStore) -> None:
    await enrolled(store)
    await take(store, a_report())
    for number in range(40):
        await take(store, a_report(report_id=f"{number + 100:032x}"))
    assert (await known(store)).clashes == 40
    await store.subscribe("test", from_start=True)
    told = [one.fact.kind for one in await store.unread_facts("test", 100)]
    assert told == ["fleet.host-clash"] * 6  # the first, second, fourth, ... and 32nd


async def test_who_verifies_has_a_turn_while_keys_are_listed_and_judged(store: SqlStore) -> None:
    await enrolled(store)
    for sequence in range(1, 6):
        keys = [a_key(serial=8 * sequence + number) for number in range(8)]
        await take(store, a_report(*keys, sequence=sequence))
    desk = FleetDesk(store, shipped(), clock=SystemClock())
    turns = 0

    async def verify() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    verifying = asyncio.create_task(verify())
    assert len(await desk.keys(Search(), "", 100)) == 40
    listed, turns = turns, 0
    await desk.affected(desk.advisory("YSA-2024-03"), "", 100)
    verifying.cancel()
    assert min(listed, turns) >= 40


async def test_numbers_of_changes_go_on_beyond_what_a_day_of_lies_can_reach(
    store: SqlStore,
) -> None:
    await enrolled(store)
    await take(store, a_report(a_key()))
    transactions = store._transactions
    async with transactions.writing() as connection:
        await connection.exec_driver_sql("UPDATE fleet_key SET changes = 3000000000")
    await take(store, a_report(a_key({**HEALTHY, "piv.pin.tries": 1}), sequence=2))
    (one,) = await found(store)
    (change,) = await store.key_changes(one.key.key_id, 2**62, 10)
    assert change.number == 3_000_000_001


async def test_no_laptop_can_speak_of_all_keys_that_there_are(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has one can reckon out the names of all, and make each of them look well."""
    monkeypatch.setattr("server.fleet.intake.MAX_KEYS_OF_HOST", 3)
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    await enrolled(store, "3c" * 16, "laptop-19")
    keys = [a_key({**HEALTHY, "piv.pin.default": True}, serial=number) for number in range(1, 7)]
    await take(store, a_report(*keys[:3]), a_report(*keys[3:], host=OTHER))
    lies = [a_key(serial=number) for number in range(1, 7)]
    liar = "3c" * 16
    assert await take(
        store,
        a_report(*lies[:2], host=liar),
        a_report(*lies[2:], host=liar, sequence=2),
        a_report(lies[2], host=liar, sequence=2),
        a_report(lies[3], host=liar, sequence=3),
        a_report(*lies[:3], host=liar, sequence=3),
    ) == [Receipt.NEW, Receipt.FULL, Receipt.NEW, Receipt.FULL, Receipt.NEW]
    assert len(await found(store, rule="piv-pin-default")) == 3
