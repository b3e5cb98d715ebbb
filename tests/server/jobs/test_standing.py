"""The jobs that every installation has, on every store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from server.jobs.job import Job
from server.jobs.runner import JobRunner
from server.jobs.standing import (
    DAY_S,
    FACTS_KEPT_DAYS,
    facts_pruning,
    journal_checkpoint,
    ledger_pruning,
    usage_pruning,
)
from server.jobs.uptime import segments_pruning, uptime_rollup
from server.journal.desk import JournalDamagedError, JournalDesk
from server.leases import LeaseLostError
from server.ledger.entry import Kind, NewEntry
from server.uptime.keeper import UptimeKeeper
from server.usage.kinds import KINDS
from server.usage.ports import MinuteRow, Parcel
from tests.server.journal.chains import KEY
from tests.server.journal.copies import Copies
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY, a_client
from tests.server.storage.facts import a_fact
from tests.server.storage.keepers import Keeper, MemoryKeeper, PostgresKeeper, SqliteKeeper, Store


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keeper]:
    made: Keeper
    match request.param:
        case "memory":
            made = MemoryKeeper(POLICY)
        case "sqlite":
            made = SqliteKeeper(tmp_path / "keystead.db", POLICY)
        case _:
            made = PostgresKeeper(request.getfixturevalue("postgres_url"), POLICY)
    yield made
    await made.close()


def runner(store: Store, *jobs: Job) -> JobRunner:
    return JobRunner(store, jobs, holder="one", clock=StillClock())


async def test_many_machines_sign_the_journal_once_a_day(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(4)]
    await a_client(handles[0])
    copies = Copies()
    made = [journal_checkpoint(JournalDesk(handle, KEY, copies)) for handle in handles]
    with structlog.testing.capture_logs() as lines:
        done = await asyncio.gather(
            *(runner(handle, job).turn(job) for handle, job in zip(handles, made, strict=True))
        )
    assert sorted(done) == [False, False, False, True]
    checkpoint = await handles[0].last_checkpoint()
    assert checkpoint is not None
    assert copies.kept == [checkpoint]
    assert checkpoint.end == await handles[0].journal_end()
    assert lines == [
        {
            "event": "journal_checkpoint",
            "log_level": "info",
            "checkpoint": checkpoint.to_json(),
        }
    ]
    assert made[0].next_us(checkpoint.time_us) % (DAY_S * 1_000_000) == 0


async def test_a_journal_that_was_tampered_with_is_an_alarm(keeper: Keeper) -> None:
    store = await keeper.open()
    await a_client(store)
    desk = JournalDesk(store, KEY, Copies())
    await desk.checkpoint()
    forged = JournalDesk(store, KEY, Copies())
    last = await store.last_checkpoint()
    assert last is not None
    await store.add_checkpoint(last._replace(signature=bytes(64)))
    job = journal_checkpoint(forged)
    with structlog.testing.capture_logs() as lines:
        assert not await runner(store, job).turn(job)
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("job_failed", "error")
    assert "tampered with" in line["error"]
    with pytest.raises(JournalDamagedError):
        await forged.checkpoint()


async def test_a_machine_that_slept_signs_nothing(keeper: Keeper) -> None:
    store = await keeper.open()
    job = journal_checkpoint(JournalDesk(store, KEY, Copies()))
    lease = await store.acquire_lease(job.name, "one", 60_000_000)
    assert lease is not None
    await keeper.hours_pass()
    assert await store.acquire_lease(job.name, "two", 60_000_000) is not None
    with pytest.raises(LeaseLostError):
        await job.run(lease)
    assert await store.last_checkpoint() is None


async def test_facts_are_pruned_when_they_are_old_and_read(keeper: Keeper) -> None:
    store = await keeper.open()
    await store.subscribe("reader", from_start=True)
    await keeper.append_facts([a_fact(1), a_fact(2)])
    await store.advance_reader("reader", 2)
    await keeper.append_facts([a_fact(3)])
    now_us = await store.store_time_us()

    class Later:
        """The store's time, days later."""

        def __init__(self, days: float) -> None:
            self._us = round(days * DAY_S * 1_000_000)

        async def store_time_us(self) -> int:
            return now_us + self._us

    async def prune(days: int) -> None:
        job = facts_pruning(store, Later(days))
        lease = await store.acquire_lease(f"after {days} days", "one", 60_000_000)
        assert lease is not None
        await job.run(lease)

    assert await store.subscribe("late", from_start=True) == 0
    await prune(FACTS_KEPT_DAYS - 1)
    assert len(await store.unread_facts("late", 9)) == 3, "a person may want to look"
    await prune(FACTS_KEPT_DAYS + 1)
    assert len(await store.unread_facts("late", 9)) == 3, "somebody has not read them"
    await store.unsubscribe("late")
    await prune(FACTS_KEPT_DAYS + 2)
    await store.subscribe("late", from_start=True)
    assert [fact.fact for fact in await store.unread_facts("late", 9)] == [a_fact(3)]


async def test_minutes_are_pruned_when_they_are_older_than_is_kept(keeper: Keeper) -> None:
    store = await keeper.open()
    now = await store.store_time_us() // 60_000_000
    day = DAY_S // 60
    counts = (1,) + (0,) * (len(KINDS) - 1)
    minutes = [now - 31 * day, now - 30 * day - 2, now - 30 * day + 2, now]
    rows = tuple(MinuteRow(minute, 1, counts) for minute in minutes)
    await store.add_usage(Parcel("one", 1, rows))
    assert await runner(store, usage_pruning(store, 30)).turn(usage_pruning(store, 30))
    kept = await store.total_usage(0, now + 1, 1, ())
    assert [slot.start for slot in kept] == minutes, "none of them is rolled up"
    keeper_of_days = UptimeKeeper(store, min_requests=1, left_out=(), kept_days=400)
    rolled_up = uptime_rollup(keeper_of_days)
    assert await runner(store, rolled_up).turn(rolled_up)
    lease = await store.acquire_lease("tomorrow", "one", 10**12)
    assert lease is not None
    await usage_pruning(store, 30).run(lease)
    kept = await store.total_usage(0, now + 1, 1, ())
    assert [slot.start for slot in kept] == minutes[2:]


async def test_segments_are_pruned_when_they_are_older_than_is_kept(keeper: Keeper) -> None:
    store = await keeper.open()
    day = await store.store_time_us() // 86_400_000_000
    minutes = [(day - ago) * DAY_S // 60 for ago in (4, 2)]
    counts = (1,) + (0,) * (len(KINDS) - 1)
    await store.add_usage(Parcel("one", 1, tuple(MinuteRow(one, 1, counts) for one in minutes)))
    keeper_of_days = UptimeKeeper(store, min_requests=1, left_out=(), kept_days=400)
    rolled_up, pruning = uptime_rollup(keeper_of_days), segments_pruning(store, 3)
    assert await runner(store, rolled_up).turn(rolled_up)
    assert await runner(store, pruning).turn(pruning)
    assert {one.first_day for one in await store.segments(0, day)} == {day - 2}


async def test_payloads_of_the_ledger_are_erased_each_kind_by_its_own_time(keeper: Keeper) -> None:
    store = await keeper.open()
    told = [NewEntry(kind, "1", {"says": kind.value}) for kind in (Kind.INCIDENT, Kind.NOTICE)]
    await keeper.append_ledger(told)
    lease = await store.acquire_lease("a job", "one", 10**12)
    assert lease is not None
    # Kept for minus one day, what was written now is old.
    await ledger_pruning(store, store, {Kind.NOTICE: -1, Kind.INCIDENT: 1}).run(lease)
    entries = await store.ledger_entries(0, 10)
    assert [(one.kind, one.payload is None) for one in entries] == [
        (Kind.INCIDENT, False),
        (Kind.NOTICE, True),
    ]
    assert all(entry.is_whole() for entry in entries)
