"""Snapshots for tests: a quiet service, one with everything on its page, and ones in trouble."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from server.incidents.components import Component
from server.incidents.intervals import Span
from server.incidents.severity import Severity
from server.incidents.states import State
from server.maintenance.plan import State as WorkState
from server.maintenance.plan import Step
from server.status.snapshot import (
    SHOWN_DAYS,
    Bar,
    ComponentView,
    Figure,
    Measured,
    PeriodName,
    PublicIncident,
    Snapshot,
    Update,
    Work,
    WorkStep,
)

US = 1_000_000
HOUR_S = 3600
DAY_S = 86_400
NOW_S = int(datetime(2026, 11, 27, 20, 14, 5, tzinfo=UTC).timestamp())
TODAY = date(2026, 11, 27)
MONTH = Span(
    int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()),
    int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()),
)
QUARTER = Span(
    int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()),
    int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()),
)
TERM = Span(
    int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()),
    int(datetime(2027, 3, 1, tzinfo=UTC).timestamp()),
)


def bar(
    days_ago: int = 0,
    *,
    period_s: int = DAY_S,
    maintenance_s: int = 0,
    unknown_s: int = 0,
    downtime_s: Fraction | int = 0,
) -> Bar:
    day = TODAY - timedelta(days=days_ago)
    return Bar(day, period_s, maintenance_s, unknown_s, Fraction(downtime_s))


def quiet_bars() -> tuple[Bar, ...]:
    return tuple(bar(ago) for ago in reversed(range(SHOWN_DAYS)))


def eventful_bars() -> tuple[Bar, ...]:
    """Return outages, maintenance and days half known; the records begin 77 days ago."""
    told = {
        61: bar(61, unknown_s=DAY_S),
        60: bar(60, unknown_s=40_000),
        44: bar(44, downtime_s=Fraction(12_942, 5)),
        30: bar(30, maintenance_s=5400),
        21: bar(21, downtime_s=9000, unknown_s=600),
        9: bar(9, downtime_s=61),
        3: bar(3, maintenance_s=7200, downtime_s=30),
        0: bar(0, period_s=72_845),
    }
    first = 77
    return tuple(
        told.get(ago, bar(ago) if ago <= first else bar(ago, period_s=0))
        for ago in reversed(range(SHOWN_DAYS))
    )


def figure(
    period: PeriodName = PeriodName.MONTH,
    span: Span = MONTH,
    *,
    maintenance_s: int = 0,
    unknown_s: int = 0,
    downtime_s: Fraction | int = 0,
) -> Figure:
    return Figure(
        period=period,
        span=span,
        first=datetime.fromtimestamp(span.start, UTC).date(),
        last=datetime.fromtimestamp(span.end - 1, UTC).date(),
        period_s=min(span.end, NOW_S) - span.start,
        maintenance_s=maintenance_s,
        unknown_s=unknown_s,
        downtime_s=Fraction(downtime_s),
        budget_full_period_s=Fraction(span.seconds, 1000),
    )


def figures() -> tuple[Figure, ...]:
    rolling = Span(NOW_S - 30 * DAY_S, NOW_S)
    return (
        figure(maintenance_s=7200, unknown_s=600, downtime_s=91),
        figure(PeriodName.QUARTER, QUARTER, unknown_s=126_400, downtime_s=2680),
        figure(PeriodName.TERM, TERM, downtime_s=Fraction(200_000, 7), maintenance_s=12_600),
        figure(PeriodName.ROLLING, rolling, unknown_s=30 * DAY_S),
    )


def validation(**changes: object) -> ComponentView:
    view = ComponentView(
        Component.VALIDATION, is_measured=True, measured=Measured(NOW_S - 25, Fraction(0))
    )
    return replace(view, **changes)  # type: ignore[arg-type] # of the fields' own kinds


def incident(
    reference: str = "12",
    *,
    title: str = "Validation answers with BACKEND_ERROR",
    component: Component = Component.VALIDATION,
    severity: Severity | None = Severity.SEV_1,
    states: tuple[State, ...] = (State.OPEN, State.ACKNOWLEDGED),
    began_s: int = NOW_S - HOUR_S,
    text: str = "",
) -> PublicIncident:
    updates = tuple(
        Update((began_s + at * 540) * US, state, text if at else "")
        for at, state in enumerate(states)
    )
    resolved = updates[-1].at_us if states[-1] is State.RESOLVED else None
    return PublicIncident(
        reference, component, title, states[-1], severity, began_s * US, resolved, updates
    )


def work(
    maintenance_id: int = 7,
    *,
    state: WorkState = WorkState.ANNOUNCED,
    start_s: int = NOW_S + 8 * DAY_S,
    length_s: int = 5400,
    title: str = "Database upgrade",
    component: Component = Component.VALIDATION,
) -> Work:
    span = Span(start_s, start_s + length_s)
    told_s = min(start_s, NOW_S) - 5 * DAY_S
    announced = WorkStep(Step.ANNOUNCE.value, told_s * US, title, span)
    more = {
        WorkState.UNDER_WAY: (WorkStep(Step.BEGIN.value, (start_s + 61) * US, title, span),),
        WorkState.FINISHED: (WorkStep(Step.FINISH.value, (start_s + 4000) * US, title, span),),
        WorkState.CANCELLED: (WorkStep(Step.CANCEL.value, (told_s + DAY_S) * US, title, span),),
    }
    return Work(maintenance_id, component, state, (announced, *more.get(state, ())))


def quiet() -> Snapshot:
    return Snapshot(
        "Example OTP",
        (NOW_S - 2) * US,
        (validation(bars=quiet_bars()), ComponentView(Component.UPLOAD)),
        (
            figure(),
            figure(PeriodName.QUARTER, QUARTER),
            figure(PeriodName.TERM, TERM),
            figure(PeriodName.ROLLING, Span(NOW_S - 30 * DAY_S, NOW_S)),
        ),
    )


def eventful() -> Snapshot:
    """Everything that a page can have on it, an outage first of all."""
    told = (
        "About one in three requests is answered with BACKEND_ERROR. We have found a full disk"
        " on the database server and are making room.\n\nOne-time passwords that were refused"
        " with it are not used up."
    )
    minor = "Keys are brought in slowly. Nothing is lost; an import takes some hours longer."
    return Snapshot(
        "Example OTP",
        (NOW_S - 2) * US,
        (
            validation(bars=eventful_bars(), measured=Measured(NOW_S - 25, Fraction(1, 3))),
            ComponentView(Component.UPLOAD),
            ComponentView(Component.API_KEYS),
            ComponentView(Component.PROVISIONING),
        ),
        figures(),
        (
            incident(text=told),
            incident(
                "11",
                title="Imports are slow",
                component=Component.UPLOAD,
                severity=Severity.SEV_3,
                states=(State.OPEN, State.ACKNOWLEDGED, State.MITIGATED),
                began_s=NOW_S - 5 * HOUR_S,
                text=minor,
            ),
            incident(
                "9",
                title="Validation was out of order",
                states=(State.OPEN, State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED),
                began_s=NOW_S - 21 * DAY_S,
            ),
            incident(
                "8",
                title="A probe failed",
                severity=Severity.SEV_2,
                states=(State.OPEN, State.DISMISSED),
                began_s=NOW_S - 44 * DAY_S,
            ),
        ),
        (
            work(9, start_s=NOW_S + 9 * DAY_S, title="New switches in both racks"),
            work(8, component=Component.PROVISIONING, state=WorkState.UNDER_WAY,
                 start_s=NOW_S - 1800, title="Firmware of the HSMs"),
            work(7, state=WorkState.FINISHED, start_s=NOW_S - 3 * DAY_S),
            work(6, state=WorkState.CANCELLED, start_s=NOW_S - 30 * DAY_S),
        ),
    )  # fmt: skip


def degraded() -> Snapshot:
    watched = incident(states=(State.OPEN, State.ACKNOWLEDGED), severity=Severity.SEV_3)
    return replace(quiet(), incidents=(watched,))


def stale() -> Snapshot:
    return replace(quiet(), read_us=(NOW_S - 4000) * US)
