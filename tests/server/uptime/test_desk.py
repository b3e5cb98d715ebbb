"""The desk answers from days that are rolled up and from today alike, with what persons said."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from server.accounts.text import InputError
from server.incidents.availability import Verdict
from server.incidents.intervals import Span
from server.incidents.record import (
    Affected,
    Amendment,
    Author,
    AuthorKind,
    Component,
    Confirmation,
    Incident,
    Loss,
    Opening,
    Origin,
    Record,
    Severity,
    Step,
)
from server.maintenance import decisions
from server.maintenance.plan import Plan
from server.uptime.desk import DAY_S, UptimeDesk
from server.uptime.keeper import UptimeKeeper
from server.uptime.rollup import ProbeMinute
from server.uptime.segment import DAY_MINUTES, DaySums
from server.usage.kinds import AT, FAULT, KINDS
from server.usage.ports import MinuteRow, Parcel
from tests.server.acts import ACT
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY

DAY = 20_000
MIDNIGHT_S = DAY * DAY_S
ANN = Author(AuthorKind.OPERATOR, "ann")
PROBER = 9


class Said:
    """Incidents that persons said something of."""

    def __init__(self) -> None:
        self.incidents: list[Incident] = []

    async def incidents_affecting(self, _: Span) -> Sequence[Incident]:
        return self.incidents

    def say(self, detail: Confirmation | Amendment, *clients: int) -> None:
        opening = Opening(Component.VALIDATION, "Lost", Origin.PERSON, Severity(1), "", 0)
        step = Step.CONFIRMED if isinstance(detail, Confirmation) else Step.AMENDED
        history = [Record(Step.OPENED, 1, ANN, detail=opening), Record(Step.ACKNOWLEDGED, 2, ANN)]
        if clients:
            history.append(Record(Step.AFFECTED, 3, ANN, detail=Affected(clients)))
        history.append(Record(step, 4, ANN, "why", detail))
        self.incidents.append(Incident(len(self.incidents) + 1, tuple(history)))


class World:
    """A store with a clock, and a desk over it."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.clock.us = (MIDNIGHT_S + 86_400 + 3_600) * 1_000_000
        self.store = MemoryStore(clock=self.clock, default_policy=POLICY)
        self.said = Said()
        self.desk = UptimeDesk(self.store, self.said, left_out=frozenset({PROBER}))
        self._number = 0

    async def count(self, minute: int, client: int, good: int, bad: int = 0) -> None:
        counts = [0] * len(KINDS)
        counts[0], counts[AT[FAULT]] = good, bad
        self._number += 1
        row = MinuteRow(DAY * DAY_MINUTES + minute, client, tuple(counts))
        await self.store.add_usage(Parcel("clerk", self._number, (row,)))

    async def probe(self, minute: int, good: int, bad: int = 0) -> None:
        await self.store.add_probes([ProbeMinute(DAY * DAY_MINUTES + minute, good, bad)])

    async def roll_up(self) -> None:
        lease = await self.store.acquire_lease("uptime-rollup", "one", 10**9)
        assert lease is not None
        keeper = UptimeKeeper(self.store, min_requests=1, left_out=[PROBER], kept_days=400)
        await keeper.work(lease)
        await self.store.rest_lease(lease)


@pytest.fixture
def world() -> World:
    return World()


def minutes(first: int, end: int) -> Span:
    return Span(MIDNIGHT_S + first * 60, MIDNIGHT_S + end * 60)


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_figures_are_the_same_before_and_after_a_day_is_rolled_up(
    world: World, *, rolled_up: bool
) -> None:
    await world.count(0, 1, 9, 1)
    await world.count(0, 2, 10)
    await world.count(1, 2, 0, 5)
    await world.count(2, PROBER, 5)
    await world.probe(1, 1)
    await world.probe(3, 0, 2)
    if rolled_up:
        await world.roll_up()
    period = minutes(0, 5)
    first = await world.desk.availability(1, period)
    assert (first.downtime_s, first.unknown_s) == (Fraction(66), 120)
    second = await world.desk.availability(2, period)
    assert (second.downtime_s, second.unknown_s) == (Fraction(120), 120)
    together = await world.desk.availability(None, period)
    assert (together.downtime_s, together.unknown_s) == (Fraction(123), 120)
    every = await world.desk.availabilities(period)
    assert every == {0: together, 1: first, 2: second, PROBER: every[PROBER]}
    absent = await world.desk.availability(77, period)
    assert (absent.downtime_s, absent.unknown_s) == (Fraction(60), 180)


async def test_a_day_that_is_closed_while_it_is_read_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.count(0, 1, 1, 1)
    first_minute = world.store.first_minute

    async def and_then_it_is_closed() -> int | None:
        monkeypatch.undo()
        await world.roll_up()
        return await first_minute()

    monkeypatch.setattr(world.store, "first_minute", and_then_it_is_closed)
    found = await world.desk.availability(1, minutes(0, 5))
    assert await world.store.last_closed() is not None
    assert found.downtime_s == 30


async def test_counts_that_come_three_days_late_correct_their_day(world: World) -> None:
    for midnight in range(1, 4):
        world.clock.us = (MIDNIGHT_S + midnight * DAY_S + 3_600) * 1_000_000
        await world.count(midnight, 1, 1)
        await world.roll_up()
    world.clock.us = (MIDNIGHT_S + 4 * DAY_S - 120) * 1_000_000
    await world.count(DAY_MINUTES - 1, 1, 0, 1)
    world.clock.us = (MIDNIGHT_S + 4 * DAY_S + 3_600) * 1_000_000
    await world.roll_up()
    last = minutes(DAY_MINUTES - 1, DAY_MINUTES)
    assert (await world.desk.availability(1, last)).downtime_s == 60


async def test_a_period_that_spans_closed_days_and_today_is_one_figure(world: World) -> None:
    await world.count(0, 1, 0, 1)
    await world.roll_up()
    await world.count(DAY_MINUTES + 5, 1, 0, 1)
    await world.count(DAY_MINUTES + 59, 1, 0, 1)
    found = await world.desk.availability(1, minutes(0, 2 * DAY_MINUTES))
    assert found.downtime_s == 120, "the minute that is now does not count yet"
    assert found.period_s == (DAY_MINUTES + 59) * 60


async def test_what_a_person_confirmed_counts_where_it_is_the_larger(world: World) -> None:
    for minute in range(10):
        await world.count(minute, 1, 1, 1 if minute == 5 else 0)
        await world.count(minute, 2, 1)
    world.said.say(Confirmation((Loss(*minutes(4, 7), Fraction(1, 4)),)), 1)
    first = await world.desk.availability(1, minutes(0, 10))
    assert first.downtime_s == 60 * (Fraction(1, 4) + Fraction(1, 2) + Fraction(1, 4))
    assert (await world.desk.availability(2, minutes(0, 10))).downtime_s == 0
    world.said.say(Amendment(*minutes(5, 6), Fraction(0)), 1)
    assert (await world.desk.availability(1, minutes(0, 10))).downtime_s == 30
    together = await world.desk.availability(None, minutes(0, 10))
    assert together.downtime_s == 20, "the incident names a client, and is that client's alone"


async def test_who_names_other_clients_afterwards_amends_nothing(world: World) -> None:
    for client in (1, 2):
        await world.count(0, client, 0, 1)
    world.said.say(Amendment(*minutes(0, 1), Fraction(0)), 1)
    one = world.said.incidents[0]
    widened = Record(Step.AFFECTED, 5, ANN, detail=Affected(()))
    world.said.incidents = [one._replace(history=(*one.history, widened))]
    assert (await world.desk.availability(1, minutes(0, 1))).downtime_s == 0
    assert (await world.desk.availability(2, minutes(0, 1))).downtime_s == 60
    assert (await world.desk.availability(None, minutes(0, 1))).downtime_s == 60


async def test_announced_maintenance_of_validation_is_left_out(world: World) -> None:
    now_us, world.clock.us = world.clock.us, (MIDNIGHT_S - 60) * 1_000_000
    for component, first in ((Component.VALIDATION, 0), (Component.UPLOAD, 5)):
        plan = Plan(component, "Upgrade", minutes(first, first + 2))
        await world.store.add_maintenance(decisions.schedule(plan, announce=True), act=ACT)
    world.clock.us = now_us
    for minute in range(10):
        await world.count(minute, 1, 0, 1)
    found = await world.desk.availability(1, minutes(0, 10))
    assert (found.maintenance_s, found.downtime_s) == (120, Fraction(480))
    strict = UptimeDesk(world.store, world.said, notice_s=3600)
    assert (await strict.availability(1, minutes(0, 10))).maintenance_s == 0


async def test_bars_are_the_figures_of_each_day(world: World) -> None:
    await world.count(0, 1, 0, 1)
    await world.count(DAY_MINUTES + 1, 1, 1, 1)
    before, yesterday, today = await world.desk.bars(3)
    assert [one.day for one in (before, yesterday, today)] == [DAY - 1, DAY, DAY + 1]
    assert (before.unknown_s, before.verdict) == (DAY_S, Verdict.INDETERMINATE)
    assert (yesterday.downtime_s, yesterday.unknown_s) == (Fraction(60), DAY_S - 60)
    assert (today.downtime_s, today.unknown_s) == (Fraction(30), 59 * 60 - 60)
    for bar in (before, yesterday, today):
        found = await world.desk.availability(None, Span(bar.day * DAY_S, (bar.day + 1) * DAY_S))
        assert (bar.downtime_s, bar.unknown_s, bar.verdict) == (
            found.downtime_s,
            found.unknown_s,
            found.verdict,
        )


async def test_adjacent_minutes_with_losses_are_proposed_as_one_incident(world: World) -> None:
    for minute, bad in enumerate((0, 1, 3, 0, 1)):
        await world.count(minute, 1, 1, bad)
    first, second = await world.desk.proposals(1, minutes(0, 5))
    assert (first.span, first.worst) == (minutes(1, 3), Fraction(3, 4))
    assert first.lost == 60 * (Fraction(1, 2) + Fraction(3, 4))
    assert second.span == minutes(4, 5)


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_days_tell_what_was_answered(world: World, *, rolled_up: bool) -> None:
    await world.count(0, 1, 3, 1)
    await world.count(DAY_MINUTES, 1, 5)
    if rolled_up:
        await world.roll_up()
    days = await world.desk.days(1, DAY - 1, DAY + 2)
    assert [one.counts for one in days] == [None, DaySums(3, 1, 0, 1), DaySums(5, 0, 0, 1)]


async def test_a_closed_days_segments_are_shown_and_today_has_none(world: World) -> None:
    await world.count(0, 1, 3)
    await world.roll_up()
    assert [one.client_id for one in await world.desk.segments("2024-10-04")] == [0, 1]
    assert await world.desk.segments("2024-10-05") == []
    with pytest.raises(InputError):
        await world.desk.segments("2024-99-01")


@pytest.mark.parametrize(
    "period", [Span(10, 10), Span(10, 5), Span(-5, 10), Span(0, 4 * 366 * DAY_S)]
)
async def test_a_period_that_nobody_can_mean_is_refused(world: World, period: Span) -> None:
    with pytest.raises(InputError):
        await world.desk.availability(None, period)
