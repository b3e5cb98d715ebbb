"""Batches of reports in both stores: the same as one after the other, whatever is in them."""

import itertools
import random
from datetime import date, timedelta
from typing import Any

import pytest

from agent.report import Report
from server.fleet.advisory_file import shipped
from server.fleet.enrolment import Asked, digest_of
from server.fleet.health import Level
from server.fleet.ports import Search
from server.fleet.receipt import Receipt
from server.fleet.shelf import Shelf
from server.jobs.fleet_judging import FleetJudging
from server.otp.ports import StoreUnavailableError
from server.storage.books.fleet_rows import day_of
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, a_key, a_report
from tests.server.still_clock import StillClock
from tests.server.storage.keepers import Keeper

pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

HOSTS = ("0a" * 16, "0b" * 16, "0c" * 16)
DAY_US = TOKEN_US = 86_400_000_000
ROUNDS = 12
SqlStore = SqliteStore | PostgresStore


@pytest.fixture
async def store(keeper: Keeper) -> SqlStore:
    opened = await keeper.open()
    assert isinstance(opened, SqliteStore | PostgresStore)
    for number, host_id in enumerate(HOSTS):
        token, name = f"token-{number}", f"laptop-{number}"
        await opened.add_enrolment_token(
            name, digest_of(token), lifetime_us=TOKEN_US, replaces=False, act=ACT
        )
        key = bytes.fromhex(host_id) * 2
        await opened.enrol(Asked(token, host_id, name, key, "linux", "0.1.0"))
    return opened


async def at_once(_seconds: float) -> None:
    pass


async def today(store: SqlStore) -> date:
    return day_of(await store.store_time_us())


def sent(chance: random.Random, first: int, serial: int, day: date) -> list[Report]:
    """Return reports of three hosts about two keys: copies, used numbers, gaps, other words."""
    made: list[Report] = []
    last, seen = dict.fromkeys(HOSTS, first), dict.fromkeys(HOSTS, day - timedelta(3))
    for number in range(chance.randrange(1, 12)):
        if made and chance.random() < 0.3:
            made.append(chance.choice(made))
            continue
        host = chance.choice(HOSTS)
        # What a host remembers does not go back.
        seen[host] = max(seen[host], day - timedelta(chance.choice((0, 0, 1, 2))))
        last[host] = max(first + 1, last[host] + chance.choice((0, 1, 1, 1, 3)))
        keys = [
            a_key(
                {**HEALTHY, "piv.pin.tries": chance.choice((3, 3, 3, 1))},
                serial=serial + which,
                last_seen=seen[host],
            )
            for which in chance.choice(((0,), (0,), (1,), (0, 1)))
        ]
        made.append(
            a_report(
                *keys,
                sequence=last[host],
                report_id=f"{first:016x}{number:016x}",
                host=host,
                day=day,
            )
        )
    return made


async def left(store: SqlStore, serial: int) -> list[Any]:
    """Return what is known of two keys, without what tells them from others."""
    found: list[Any] = []
    for which in range(2):
        for one in await store.fleet_keys(Search(serial=serial + which), "", 10):
            changes = await store.key_changes(one.key.key_id, 1_000, 1_000)
            noted = [change._replace(at_us=0) for change in changes]
            found.append((which, one.key[2:], one.sightings, noted))
    return found


async def test_a_batch_leaves_what_its_reports_leave_one_after_the_other(store: SqlStore) -> None:
    day, serials, firsts = await today(store), itertools.count(1_000, 10), itertools.count(1, 1_000)
    kinds = set()
    for seed in range(ROUNDS):
        apart_serial, at_once_serial = next(serials), next(serials)
        reports = sent(random.Random(seed), next(firsts), apart_serial, day)  # noqa: S311 - a seed
        apart: list[Receipt] = []
        for report in reports:
            apart += await store.take_reports([report])
        again = sent(random.Random(seed), next(firsts), at_once_serial, day)  # noqa: S311 - a seed
        assert list(await store.take_reports(again)) == apart
        assert await left(store, at_once_serial) == await left(store, apart_serial)
        kinds |= set(apart)
    assert kinds == {Receipt.NEW, Receipt.AGAIN, Receipt.CLASH}


async def test_a_day_moves_on_without_a_look_at_the_facts(store: SqlStore) -> None:
    day = await today(store)
    yesterday = day - timedelta(1)
    first = a_report(a_key(last_seen=yesterday), host=HOSTS[0], day=yesterday)
    await store.take_reports([first])
    (before,) = await store.fleet_keys(Search(), "", 10)
    again = a_report(a_key(last_seen=day), sequence=2, host=HOSTS[0], day=day)
    assert await store.take_reports([again]) == [Receipt.NEW]
    (after,) = await store.fleet_keys(Search(), "", 10)
    assert {fact.day for fact in before.key.facts.values()} == {yesterday}
    assert {fact.day for fact in after.key.facts.values()} == {day}
    assert (after.key.first_seen, after.key.last_seen) == (yesterday, day)
    assert [seen.last_day for seen in after.sightings] == [day.isoformat()]
    assert await store.key_changes(after.key.key_id, 100, 10) == []


async def test_a_key_is_judged_again_on_the_day_on_which_its_certificate_ends(
    store: SqlStore,
) -> None:
    day = await today(store)
    sound = (day + timedelta(40)).isoformat()
    ending = {**HEALTHY, "piv.certificate.9a.expires": sound}
    await store.take_reports([a_report(a_key(ending, last_seen=day), host=HOSTS[0], day=day)])
    clock, shelf = StillClock(), Shelf(shipped())
    clock.us = await store.store_time_us()
    job = FleetJudging(store, shelf, clock=clock, rest=at_once)
    await job.run()

    async def pass_by(days: int) -> None:
        clock.us = await store.store_time_us() + days * DAY_US
        await job.run()

    async def found(**search: Any) -> int:  # noqa: ANN401 - of a Search
        return len(await store.fleet_keys(Search(**search), "", 10))

    for after, level, rules in (
        (9, None, ()),
        (10, Level.WARNING, ("certificate-ends",)),
        (40, Level.WARNING, ("certificate-ends",)),
        (41, Level.DANGER, ("certificate-ended",)),
    ):
        await pass_by(after)
        assert (await found(level=level) if level else 1) == 1
        counted = await store.rule_counts()
        assert tuple(counted) == rules
        for rule in rules:
            assert await found(rule=rule, level=level, firmware=(5,)) == 1
    assert await store.call_due(day + timedelta(4_000), 10) == 0


async def test_what_fails_in_the_middle_of_a_batch_leaves_nothing_and_is_sent_again(
    keeper: Keeper, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    del keeper
    day = await today(store)
    first = [
        a_report(a_key(serial=number + 1, last_seen=day), host=HOSTS[number], day=day)
        for number in (0, 1)
    ]
    await store.take_reports(first)
    # The second statement is none: the first one was executed by then.
    broken = "server.storage.books.fleet_repeat_book.seen_steps"

    def no_sql(_: object) -> list[Any]:
        from server.storage.books.steps import Step  # noqa: PLC0415 - for this test alone

        return [Step("UPDATE no_such_table SET x = :x", [{"x": 1}])]

    again = [
        report._replace(sequence=2, report_id=f"{number:032x}")
        for number, report in enumerate(first)
    ]
    with monkeypatch.context() as patched:
        patched.setattr(broken, no_sql)
        with pytest.raises(StoreUnavailableError):
            await store.take_reports(again)
    hosts = await store.fleet_hosts(HOSTS[:2])
    assert [host.sequence for host in hosts.values()] == [1, 1]
    assert await store.take_reports(again) == [Receipt.NEW, Receipt.NEW]
    assert await store.take_reports(again) == [Receipt.AGAIN, Receipt.AGAIN]


async def test_a_batch_that_somebody_wrote_into_is_decided_again(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = await today(store)
    await store.take_reports([a_report(a_key(last_seen=day), host=HOSTS[0], day=day)])
    decide = store._decide_repeats
    erased: list[object] = []

    async def meanwhile(*asked: Any) -> Any:  # noqa: ANN401 - as the method
        decided = await decide(*asked)
        if not erased and isinstance(store, SqliteStore):
            erased.append(await store.erase_host(HOSTS[0], act=ACT))
        return decided

    monkeypatch.setattr(store, "_decide_repeats", meanwhile)
    again = a_report(a_key(last_seen=day), sequence=2, host=HOSTS[0], day=day)
    receipts = await store.take_reports([again])
    assert receipts == [Receipt.ERASED if erased else Receipt.NEW]
    host = (await store.fleet_hosts(HOSTS[:1]))[HOSTS[0]]
    assert host.sequence == (0 if erased else 2)
