"""The one value that the status page and its feeds are rendered from. Nothing in it is secret.

It holds what was read from storage and nothing that the clock alone changes: whether a maintenance
has begun, or how old all this is, is asked of it with the time of the reader (`server.status.now`).
"""

import enum
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from server.incidents.availability import TARGET, Availability, Verdict
from server.incidents.components import Component
from server.incidents.intervals import Span
from server.incidents.severity import Severity
from server.incidents.states import State
from server.maintenance.plan import State as WorkState

SHOWN_DAYS = 90
"""How many days are bars, and how long what is over stays on the page."""


class PeriodName(enum.StrEnum):
    """Which period a figure is of; in the order in which they are shown."""

    MONTH = "month"
    QUARTER = "quarter"
    TERM = "term"
    ROLLING = "rolling"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the newest minutes that anything is known of say.

    until_s: when the last of them ended, Unix seconds; lost: the share lost in them, 0 to 1.
    """

    until_s: int
    lost: Fraction


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of UTC. period_s: its seconds so far, 0 before anything was recorded.

    maintenance_s: left out of the promise; unknown_s: nothing is known of them; downtime_s: lost,
    weighed by impact.
    """

    day: date
    period_s: int
    maintenance_s: int
    unknown_s: int
    downtime_s: Fraction


@dataclass(frozen=True, slots=True)
class ComponentView:
    """A part of the service.

    is_measured: there are minutes of it; without them it has incidents and maintenance only.
    measured: None when nothing is known yet. bars: the oldest first; none when not measured.
    """

    component: Component
    is_measured: bool = False
    measured: Measured | None = None
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """The availability of a period. span: the whole of it; the rest as of `Availability`.

    first, last: its days, on the wall by which months begin.
    """

    period: PeriodName
    span: Span
    first: date
    last: date
    period_s: int
    maintenance_s: int
    unknown_s: int
    downtime_s: Fraction
    budget_full_period_s: Fraction
    target: Fraction = TARGET

    @property
    def availability(self) -> Availability:
        """What all figures and the verdict are asked of."""
        return Availability(
            period_s=self.period_s,
            maintenance_s=self.maintenance_s,
            unknown_s=self.unknown_s,
            downtime_s=self.downtime_s,
            target=self.target,
            budget_full_period_s=self.budget_full_period_s,
        )

    @property
    def verdict(self) -> Verdict:
        """What can be said of the target."""
        return self.availability.verdict


@dataclass(frozen=True, slots=True)
class Update:
    """Something that the public was told. state: how the incident stood from then on."""

    at_us: int
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class PublicIncident:
    """An incident as everybody may know it.

    reference: its number, or what a prober calls one that has none yet; it never changes.
    severity: the one assigned, or proposed until then; None when there is neither. updates: the
    oldest first, at least one: that it was opened.
    """

    reference: str
    component: Component
    title: str
    state: State
    severity: Severity | None
    reported_us: int
    resolved_us: int | None
    updates: tuple[Update, ...]


@dataclass(frozen=True, slots=True)
class WorkStep:
    """One public step of a maintenance: what was done (`server.maintenance.plan.Step`), and when.

    span: the plan's seconds from then on.
    """

    step: str
    at_us: int
    title: str
    span: Span


@dataclass(frozen=True, slots=True)
class Work:
    """A maintenance since its announcement; nothing of its draft. steps: at least one."""

    maintenance_id: int
    component: Component
    state: WorkState
    steps: tuple[WorkStep, ...]

    @property
    def title(self) -> str:
        """What it is called now."""
        return self.steps[-1].title

    @property
    def span(self) -> Span:
        """When it is to be, as the plan is now."""
        return self.steps[-1].span


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is shown. read_us: when it was read, microseconds since the epoch, UTC.

    service: what the service is called; components: those that are configured, in order; incidents
    and maintenance: the newest first; zone: on whose wall months begin.
    """

    service: str
    read_us: int
    components: tuple[ComponentView, ...]
    figures: tuple[Figure, ...] = ()
    incidents: tuple[PublicIncident, ...] = ()
    maintenance: tuple[Work, ...] = ()
    zone: str = "UTC"
