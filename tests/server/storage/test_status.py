"""The snapshot out of every store: what is public, what was measured, and figures of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from server.incidents.components import Component
from server.incidents.desk import IncidentDesk, NewIncident
from server.incidents.severity import Severity, Situation
from server.incidents.states import State
from server.journal.acts import Actor, Cause
from server.maintenance.desk import MaintenanceDesk
from server.status.now import Health, health
from server.status.reader import FIGURES_S, TOGETHER_S, Shown, SnapshotReader
from server.status.snapshot import SHOWN_DAYS, PeriodName
from server.uptime.desk import LATE_S, UptimeDesk
from server.uptime.rollup import ProbeMinute
from server.usage.ports import Parcel
from tests.server.acts import CAUSE
from tests.server.still_clock import StillClock
from tests.server.storage.keepers import Store
from tests.server.storage.test_uptime import row

PROBER = 9
SHOWN = Shown(
    "Example OTP",
    (Component.VALIDATION, Component.UPLOAD),
    date(2026, 3, 1),
    ZoneInfo("UTC"),
    2,
    frozenset({PROBER}),
)
EVE = Cause(Actor("operator", "eve"), "a test")


class House:
    """A reader over a store, by that store's time."""

    def __init__(self, store: Store, now_us: int, shown: Shown = SHOWN) -> None:
        self.clock = StillClock()
        self.clock.us = now_us
        self.minute = (now_us // 1_000_000 - LATE_S) // 60
        """The first one of which not all is known."""
        left_out = shown.left_out
        figures = UptimeDesk(store, store, min_requests=shown.min_requests, left_out=left_out)
        self.reader = SnapshotReader(store, figures, shown, clock=self.clock)


async def house(store: Store, shown: Shown = SHOWN) -> House:
    return House(store, await store.store_time_us(), shown)


def written(now_us: int, days: float) -> str:
    at = datetime.fromtimestamp(now_us // 1_000_000, UTC) + timedelta(days=days)
    return at.isoformat()


async def test_an_empty_store_says_that_nothing_is_known(store: Store) -> None:
    known = await (await house(store)).reader.status_snapshot()
    assert [view.component for view in known.components] == list(SHOWN.components)
    validation, upload = known.components
    assert (validation.is_measured, validation.measured) == (True, None)
    assert len(validation.bars) == SHOWN_DAYS
    assert {bar.period_s for bar in validation.bars} == {0}
    assert (upload.is_measured, upload.bars) == (False, ())
    assert [one.period for one in known.figures] == list(PeriodName)
    assert {one.availability.availability for one in known.figures} == {None}
    assert health(validation, known, known.read_us // 1_000_000) is Health.UNKNOWN


async def test_minutes_are_measured_by_requests_else_by_probes_else_not_known(
    store: Store,
) -> None:
    there = await house(store)
    end = there.minute
    await store.add_usage(
        Parcel(
            "clerk",
            1,
            (
                row(end - 4, 1, 1, 1),
                row(end - 3, 1, 0, 1),  # too few: as probes found it
                row(end - 2, PROBER, 0, 50),  # a prober's own requests are not counted
                row(end - 1, 1, 3),
            ),
        )
    )
    await store.add_probes([ProbeMinute(end - 3, 0, 1), ProbeMinute(end - 4, 1, 0)])
    known = await there.reader.status_snapshot()
    validation = known.components[0]
    assert validation.measured is not None
    assert validation.measured.until_s == end * 60
    assert validation.measured.lost == Fraction(1, 2)
    recorded = [bar for bar in validation.bars if bar.period_s]
    assert sum(bar.period_s for bar in recorded) == 4 * 60
    assert sum(bar.downtime_s for bar in recorded) == 90
    assert sum(bar.unknown_s for bar in recorded) == 60
    rolling = known.figures[-1].availability
    assert rolling.downtime_s == 90
    assert rolling.known_s == 180


async def test_only_what_is_public_is_told_and_only_of_components_that_are_shown(
    store: Store,
) -> None:
    there = await house(store)
    incidents, maintenance = IncidentDesk(store), MaintenanceDesk(store)

    async def open_(new: NewIncident) -> int:
        return (await incidents.open(new, cause=EVE)).incident_id

    away = Situation(unavailable=True)
    told = await open_(
        NewIncident(Component.VALIDATION, "Nobody gets an answer", away, tell="We look into it.")
    )
    await open_(NewIncident(Component.VALIDATION, "Among operators", away, public=False))
    await open_(NewIncident(Component.PROVISIONING, "Of another component", away))
    start, end = written(there.clock.us, 5), written(there.clock.us, 5.1)
    for title, announce, component in (
        ("Upgrade", True, Component.UPLOAD),
        ("Secret", False, Component.VALIDATION),
        ("Elsewhere", True, Component.API_KEYS),
    ):
        await maintenance.schedule(
            component, title, start=start, end=end, announce=announce, cause=CAUSE
        )
    known = await there.reader.status_snapshot()
    assert [(one.reference, one.state) for one in known.incidents] == [
        (str(told), State.ACKNOWLEDGED)
    ]
    assert known.incidents[0].severity is Severity.SEV_1
    assert known.incidents[0].updates[-1].text == "We look into it."
    assert [one.title for one in known.maintenance] == ["Upgrade"]


async def test_who_asks_within_a_moment_gets_the_same_reading(store: Store) -> None:
    there = await house(store)
    first = await there.reader.status_snapshot()
    there.clock.pass_by(TOGETHER_S / 2)
    assert await there.reader.status_snapshot() is first
    there.clock.pass_by(TOGETHER_S / 2)
    second = await there.reader.status_snapshot()
    assert second.read_us == first.read_us + round(TOGETHER_S * 1_000_000)


async def test_figures_are_computed_again_once_they_are_old(store: Store) -> None:
    there = await house(store)
    end = there.minute
    before = await there.reader.status_snapshot()
    await store.add_usage(Parcel("clerk", 1, (row(end - 1, 1, 2, 2),)))
    there.clock.pass_by(TOGETHER_S)
    assert (await there.reader.status_snapshot()).figures == before.figures
    there.clock.pass_by(FIGURES_S)
    after = await there.reader.status_snapshot()
    assert after.figures[-1].downtime_s == 30


async def test_without_validation_nothing_is_measured(store: Store) -> None:
    shown = replace(SHOWN, components=(Component.UPLOAD,))
    known = await (await house(store, shown)).reader.status_snapshot()
    assert [view.component for view in known.components] == [Component.UPLOAD]
    assert known.figures == ()
