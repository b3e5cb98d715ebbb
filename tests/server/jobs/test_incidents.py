"""The job at incidents: what opens them by itself, and what is reminded of, on every store."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from server.facts import NewFact
from server.incidents.desk import IncidentDesk, NewIncident
from server.incidents.instants import write_instant
from server.incidents.intervals import Span
from server.incidents.record import Component, Incident, Origin, Severity, State, Step
from server.incidents.rules import REDUNDANCY_LOST_S, Standing
from server.incidents.severity import Situation
from server.jobs.incidents import READER, BurnWatch, IncidentJob, RedundancyWatch
from server.journal.acts import Actor, Cause
from server.leases import Lease, LeaseLostError
from server.maintenance import decisions
from server.maintenance.plan import Component as Planned
from server.maintenance.plan import Plan
from server.usage.kinds import AT, KINDS
from server.usage.ports import MinuteRow, Parcel
from tests.server.acts import ACT
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import Keeper, MemoryKeeper, PostgresKeeper, SqliteKeeper, Store

EVE = Cause(Actor("operator", "eve"), "looked at it")
ALL = tuple(Origin)
PROBER = 9
"""The Client ID of a prober."""


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


class World:
    """A store, the job at it, and what tests make happen."""

    def __init__(self, keeper: Keeper, store: Store, lease: Lease, rules: Sequence[Origin]) -> None:
        self.keeper = keeper
        self.store = store
        self.desk = IncidentDesk(store)
        self.lease = lease
        self.rules = rules
        self.parcels = 0
        self.restart()

    def restart(self) -> None:
        """Another process has the job now."""
        self.burns = BurnWatch(self.store, self.store, left_out={PROBER}, notice_s=0)
        self.job = IncidentJob(self.desk, self.store, self.burns, rules=self.rules)

    async def turn(self) -> Sequence[Incident]:
        await self.job.turn(self.lease)
        return await self.desk.list()

    async def fact(self, kind: str, what: str = "BACKEND_ERROR", subject: str = "oslo") -> None:
        await self.keeper.append_facts([NewFact(kind, subject, {"what": what})])

    async def minute(self) -> int:
        return await self.store.store_time_us() // 60_000_000

    async def answered(self, kind: str, count: int, *, before: int = 0, client: int = 1) -> None:
        """Count answers of one kind in a minute, so many before this one."""
        self.parcels += 1
        counts = [0] * len(KINDS)
        counts[AT[kind]] = count
        row = MinuteRow(await self.minute() - before, client, tuple(counts))
        await self.store.add_usage(Parcel("tester", self.parcels, (row,)))


async def a_world(keeper: Keeper, rules: Sequence[Origin] = ALL) -> World:
    store = await keeper.open()
    await store.subscribe(READER)
    lease = await store.acquire_lease("incidents", "tester", 60_000_000)
    assert lease is not None
    return World(keeper, store, lease, rules)


@pytest.fixture
async def world(keeper: Keeper) -> World:
    return await a_world(keeper)


async def test_a_failing_probe_opens_one_incident_and_its_recovery_resolves_nothing(
    world: World,
) -> None:
    await world.fact("probe.failing")
    await world.fact("probe.failing")
    (one,) = await world.turn()
    assert (one.origin, one.severity, one.state) == (Origin.PROBE, Severity.SEV_1, State.OPEN)
    assert one.public
    await world.fact("probe.recovered")
    (one,) = await world.turn()
    assert one.state is State.OPEN
    assert one.history[-1].text == "the prober oslo gets right answers again"
    # Nothing the system writes is an answer.
    assert one.acknowledged_us is None
    await world.desk.dismiss(one.incident_id, cause=EVE)
    await world.fact("probe.failing")
    assert len(await world.turn()) == 2


async def test_what_was_read_is_read_once_also_by_the_next_process(world: World) -> None:
    await world.fact("probe.failing")
    await world.turn()
    await world.desk.dismiss(1, cause=EVE)
    world.restart()
    assert len(await world.turn()) == 1


async def test_an_alarm_of_an_hsm_is_told_to_operators_and_the_next_one_is_noted(
    world: World,
) -> None:
    await world.fact("hsm.went-back", "the log is older than what was archived", "hsm:1234")
    await world.fact("hsm.gap", "entries 5 to 9 are missing", "hsm:1234")
    (one,) = await world.turn()
    assert (one.origin, one.severity, one.public) == (Origin.HSM_ALARM, Severity.SEV_2, False)
    assert [record.text for record in one.history if record.step is Step.NOTE] == [
        "hsm:1234, went-back: the log is older than what was archived",
        "hsm:1234, gap: entries 5 to 9 are missing",
    ]


async def test_requests_that_fail_open_an_incident_once_and_its_end_is_noted(world: World) -> None:
    await world.answered("backend_error", 10)
    (one,) = await world.turn()
    assert (one.origin, one.severity) == (Origin.BURN_RATE, Severity.SEV_1)
    await world.desk.dismiss(one.incident_id, cause=EVE)
    # It is as it was: who dismissed it is not asked again.
    assert len(await world.turn()) == 1
    await world.desk.reopen(one.incident_id, cause=EVE)
    await world.answered("ok", 100_000)
    (one,) = await world.turn()
    assert one.history[-1].text.startswith("requests succeed again")
    assert one.state is State.OPEN


async def test_refusals_limits_and_probers_are_no_failures(world: World) -> None:
    for kind in ("bad_otp", "replayed_otp", "no_such_client", "limited", "beyond_level"):
        await world.answered(kind, 50)
    await world.answered("backend_error", 50, client=PROBER)
    assert await world.turn() == []


async def test_what_fails_in_announced_maintenance_opens_nothing(world: World) -> None:
    start = (await world.minute() + 1) * 60
    plan = Plan(Planned.VALIDATION, "upgrade", Span(start, start + 600))
    await world.store.add_maintenance(decisions.schedule(plan, announce=True), act=ACT)
    await world.answered("backend_error", 50, before=-1)
    minutes = await world.burns.minutes(start + 30)
    assert [one.minute for one in minutes] == []
    assert len(await BurnWatch(world.store, world.store, left_out=(), notice_s=9999).minutes(start))


async def test_a_count_that_comes_late_is_seen_and_one_of_hours_ago_is_forgotten(
    world: World,
) -> None:
    now_s = await world.minute() * 60
    assert await world.burns.minutes(now_s) == []
    await world.answered("backend_error", 7, before=3)
    (late,) = await world.burns.minutes(now_s)
    assert late.bad == 7
    assert await world.burns.minutes(now_s + 7 * 3600) == []


@pytest.mark.parametrize("rules", [(), (Origin.LOST_REDUNDANCY,)])
async def test_a_rule_that_is_not_configured_opens_nothing(
    keeper: Keeper, rules: Sequence[Origin]
) -> None:
    world = await a_world(keeper, rules)
    await world.fact("probe.failing")
    await world.fact("hsm.break")
    await world.answered("backend_error", 50)
    assert await world.turn() == []


async def test_it_is_reminded_of_the_clocks_of_what_is_open(world: World) -> None:
    now_s = await world.store.store_time_us() // 1_000_000
    stamp = now_s - 11 * 60
    await world.store.subscribe("test")
    new = NewIncident(
        Component.VALIDATION,
        "Nobody gets an answer",
        Situation(unavailable=True),
        reported=write_instant(stamp),
        customer=1,
    )
    await world.desk.open(new, cause=EVE)
    for _ in range(3):
        await world.turn()
        world.restart()
    kinds = [one.fact.kind for one in await world.store.unread_facts("test", 99)]
    assert kinds == ["incident.opened", "incident.clock-soon"]
    late = new._replace(reported=write_instant(now_s - 2 * 3600))
    two = await world.desk.open(late, cause=EVE)
    await world.desk.assign(two.incident_id, Severity.SEV_1, cause=EVE)
    await world.turn()
    found = [one.fact for one in await world.store.unread_facts("test", 99)][2:]
    told = [(one.kind, one.detail["clock"]) for one in found if "clock" in one.detail]
    assert told == [
        ("incident.clock-missed", "initial_response"),
        ("incident.clock-missed", "update"),
    ]


async def test_who_lost_the_lease_reminds_and_opens_no_more(world: World) -> None:
    await world.fact("probe.failing")
    await world.keeper.hours_pass()
    with pytest.raises(LeaseLostError):
        await world.turn()
    assert await world.desk.list() == []


async def test_lost_redundancy_is_an_incident_of_severity_3_while_requests_succeed(
    world: World,
) -> None:
    there = [Standing("HSMs", 1, 2), Standing("workers", 4, 4)]

    async def standings() -> Sequence[Standing]:
        return there

    clock = world.keeper.clock
    watch = RedundancyWatch(world.desk, world.burns, standings, clock=clock, where="host-1")
    await watch.look()
    clock.seconds += REDUNDANCY_LOST_S
    for _ in range(2):
        await watch.look()
    (one,) = await world.desk.list()
    assert (one.origin, one.severity, one.public) == (
        Origin.LOST_REDUNDANCY,
        Severity.SEV_3,
        False,
    )
    assert len(one.assignments) == 1
    # No loss of availability follows from it.
    assert one.losses == ()
    there[:] = [Standing("HSMs", 2, 2), Standing("workers", 3, 4)]
    await watch.look()
    clock.seconds += REDUNDANCY_LOST_S
    await watch.look()
    (one,) = await world.desk.list()
    notes = [record.text for record in one.history if record.step is Step.NOTE]
    assert notes == [
        "on host-1 there are 1 of 2 HSMs, while requests succeed",
        "on host-1 all HSMs are back",
        "on host-1 there are 3 of 4 workers, while requests succeed",
    ]


async def test_while_requests_fail_lost_redundancy_is_not_what_is_told(world: World) -> None:
    async def standings() -> Sequence[Standing]:
        return [Standing("workers", 1, 2)]

    clock = world.keeper.clock
    watch = RedundancyWatch(world.desk, world.burns, standings, clock=clock, where="host-1")
    await world.answered("fault", 50)
    await watch.look()
    clock.seconds += REDUNDANCY_LOST_S
    await watch.look()
    assert await world.desk.list() == []
