"""What probers found, in the store: each finding once, minutes counted, facts and ledger told."""

import asyncio

import pytest
from sqlalchemy import select

from server.incidents.instants import write_instant
from server.leases import LeaseLostError
from server.probing.absorb import EARLY_US, Known, absorb
from server.probing.finding import Finding, Outcome
from server.storage.schema import ledger, probe_minute
from tests.server.memory_store import MemoryStore
from tests.server.storage.keepers import Keeper, SqlKeeper, Store

ONE, TWO = "prober01", "prober02"
MINUTE_US = 60_000_000
DAY_MINUTES = 24 * 60


class Findings:
    """Makes findings at minutes counted from now. now_us: by the store's clock."""

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us

    def __call__(
        self,
        number: int,
        minute: int,
        outcome: Outcome = Outcome.GOOD,
        *,
        minutes: int = 0,
        why: str = "",
    ) -> Finding:
        start = self.now_us + minute * MINUTE_US
        return Finding(number, outcome, start, start + minutes * MINUTE_US, why)

    async def minutes(self, keeper: Keeper, store: Store) -> dict[int, tuple[int, int]]:
        """Return what is stored of minutes: (good, bad)."""
        now = self.now_us // MINUTE_US
        if isinstance(store, MemoryStore):
            found = store._probe_minutes.items()
            return {minute - now: (one.good, one.bad) for minute, one in found}
        assert isinstance(keeper, SqlKeeper)
        async with keeper.engine.begin() as connection:
            rows = await connection.execute(select(probe_minute))
            return {row.minute - now: (row.good, row.bad) for row in rows}


@pytest.fixture
async def at(store: Store) -> Findings:
    return Findings(await store.store_time_us())


async def told(keeper: Keeper, store: Store) -> list[tuple[str, str]]:
    if isinstance(store, MemoryStore):
        return [(entry.kind.value, entry.subject) for entry in store.told]
    assert isinstance(keeper, SqlKeeper)
    async with keeper.engine.begin() as connection:
        rows = await connection.execute(select(ledger).order_by(ledger.c.sequence))
        return [(row.kind, row.subject) for row in rows]


async def facts(store: Store) -> list[tuple[str, str]]:
    found = await store.unread_facts("test", 100)
    return [(fact.fact.kind, fact.fact.subject) for fact in found]


async def test_rounds_are_counted_in_the_minute_in_which_they_began(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    bad = at(2, -1, Outcome.BAD, why="no answer in time")
    assert await store.add_findings(ONE, [at(1, -2), bad, at(3, -1), at(4, 0)]) == 4
    assert await store.add_findings(TWO, [at(1, -1)]) == 1
    assert await at.minutes(keeper, store) == {-2: (1, 0), -1: (2, 1), 0: (1, 0)}


async def test_what_comes_again_counts_once(keeper: Keeper, store: Store, at: Findings) -> None:
    for parcel in ([at(1, 0)], [at(1, 0), at(2, 0)], [at(2, 0)], []):
        await store.add_findings(ONE, parcel)
    other = await keeper.open()
    same = [at(2, 0), at(3, 0)]
    numbers = await asyncio.gather(*(one.add_findings(ONE, same) for one in (store, other)))
    assert numbers == [3, 3]
    assert await at.minutes(keeper, store) == {0: (3, 0)}


async def test_two_probers_that_hand_in_the_same_minute_at_once_are_both_counted(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    other = await keeper.open()
    for number in range(1, 6):
        await asyncio.gather(
            store.add_findings(ONE, [at(number, number)]),
            other.add_findings(TWO, [at(number, number)]),
        )
    assert set((await at.minutes(keeper, store)).values()) <= {(2, 0), (0, 0)}


async def test_a_clock_that_jumped_takes_back_what_was_good(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    await store.add_findings(ONE, [at(1, -3), at(2, -2), at(3, -1)])
    await store.add_findings(TWO, [at(1, -2, Outcome.BAD)])
    jump = at(4, -2, Outcome.UNKNOWN, minutes=1, why="the clock jumped")
    await store.add_findings(ONE, [jump, at(5, -1)])
    assert await at.minutes(keeper, store) == {-3: (1, 0), -2: (0, 1), -1: (0, 0)}


async def test_a_silence_that_lasts_until_next_year_takes_nothing_from_what_is_to_come(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    later = 30 * 60  # minutes; within a day and a bit the clock may be what is wrong
    silence = at(1, -5, Outcome.UNKNOWN, minutes=300 * DAY_MINUTES, why="no rounds were done")
    beyond = at(2, 90 * DAY_MINUTES, Outcome.UNKNOWN, minutes=5, why="the clock jumped")
    await store.add_findings(ONE, [silence, beyond, at(3, 0)])
    now_us = at.now_us
    unknown = [
        one
        for one in absorb(ONE, Known(), [silence, beyond], now_us).new
        if one.outcome is Outcome.UNKNOWN
    ]
    assert all(one.until_us < now_us + later * MINUTE_US for one in unknown)
    assert await at.minutes(keeper, store) == {0: (0, 0)}


async def test_times_of_which_nothing_is_known_are_in_the_ledger(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    await store.add_findings(ONE, [at(1, -5, Outcome.UNKNOWN, minutes=3, why="no rounds")])
    assert await told(keeper, store) == [("gap", ONE)]


async def test_what_comes_after_its_day_is_in_the_ledger(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    past = -2 * DAY_MINUTES
    day = write_instant((at.now_us + past * MINUTE_US) // 1_000_000)[:10]
    await store.add_findings(ONE, [at(1, past, Outcome.BAD), at(2, past), at(3, 0)])
    assert await told(keeper, store) == [("probes", day)]


async def test_a_service_that_begins_to_fail_and_recovers_is_told_once_each(
    store: Store, at: Findings
) -> None:
    await store.subscribe("test")
    rounds = [Outcome.BAD, Outcome.BAD, Outcome.BAD, Outcome.GOOD, Outcome.GOOD, Outcome.GOOD]
    for number, outcome in enumerate(rounds, 1):
        await store.add_findings(ONE, [at(number, 0, outcome)])
    assert await facts(store) == [("probe.failing", ONE), ("probe.recovered", ONE)]


async def test_an_outage_that_is_over_when_it_is_told_raises_no_alarm(
    store: Store, at: Findings
) -> None:
    await store.subscribe("test")
    past = [at(number, -30 + number, Outcome.BAD) for number in range(1, 10)]
    await store.add_findings(ONE, past)
    await store.add_findings(ONE, [at(10, 0), at(11, 0)])
    assert await facts(store) == []


async def test_a_round_from_the_future_is_of_no_minute(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    start = at.now_us + EARLY_US + MINUTE_US
    ahead = Finding(1, Outcome.GOOD, start, start + 1)
    assert await store.add_findings(ONE, [ahead]) == 1
    assert await at.minutes(keeper, store) == {}


async def test_who_hands_in_is_listed_with_what_never_came(store: Store, at: Findings) -> None:
    await store.add_findings(TWO, [at(3, 0)])
    await store.add_findings(ONE, [at(1, 0, Outcome.BAD, why="HTTP 500"), at(2, 0, Outcome.BAD)])
    one, two = await store.list_probers()
    assert (one.name, one.missing, one.known.standing.failing) == (ONE, 0, True)
    assert (two.name, two.missing, two.known.standing.failing) == (TWO, 2, False)
    assert two.heard_us >= at.now_us


async def test_old_rounds_are_removed_and_their_minutes_stay(
    keeper: Keeper, store: Store, at: Findings
) -> None:
    await store.add_findings(ONE, [at(1, -9), at(2, -8, Outcome.UNKNOWN), at(3, 0)])
    before = at.now_us - 5 * MINUTE_US
    assert await store.prune_findings(before) == 1
    assert await store.prune_findings(before) == 0
    assert await at.minutes(keeper, store) == {-9: (1, 0), 0: (1, 0)}


async def test_a_job_without_its_lease_removes_nothing(keeper: Keeper, store: Store) -> None:
    lease = await store.acquire_lease("probe-pruning", "test", 1_000_000)
    assert lease is not None
    await keeper.hours_pass()
    with pytest.raises(LeaseLostError):
        await store.prune_findings(1, lease)
