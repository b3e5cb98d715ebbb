"""What the page says, in its order and its words: a snapshot at a moment becomes parts. Pure.

The template only lays these out. Everything that is decided about the page is decided here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from server.incidents.availability import Verdict
from server.incidents.components import Component
from server.incidents.severity import Severity
from server.maintenance.plan import condition_of
from server.pages import words
from server.status import names, now
from server.status.bars import Column, columns, is_plain, tell
from server.status.now import Health
from server.status.snapshot import (
    ComponentView,
    Figure,
    PeriodName,
    PublicIncident,
    Snapshot,
    Work,
)

_US = 1_000_000
_QUARTER_MONTHS = 3
_DAY_S = 86_400


class Moment(NamedTuple):
    """A moment for people and for programs."""

    text: str
    stamp: str


class DayRow(NamedTuple):
    """A day on which there is something to tell."""

    day: str
    text: str


class ComponentPart(NamedTuple):
    """A component. about: what is or is not known of it; rows: days that were not all well."""

    name: str
    about: str
    health: Health
    state: str
    columns: Sequence[Column]
    first_day: str
    summary: str
    rows: Sequence[DayRow]


class FigurePart(NamedTuple):
    """The availability of a period. verdict: `met` and so on; facts: names and what they are."""

    name: str
    span: str
    availability: str
    is_known: bool
    verdict: str
    verdict_text: str
    facts: Sequence[tuple[str, str]]


class UpdatePart(NamedTuple):
    """Something the public was told."""

    at: Moment
    state: str
    text: str


class IncidentPart(NamedTuple):
    """An incident; updates: the newest first."""

    anchor: str
    title: str
    component: str
    kind: str
    state: str
    severity: str
    updates: Sequence[UpdatePart]


class WorkPart(NamedTuple):
    """A maintenance; steps: the newest first."""

    anchor: str
    title: str
    component: str
    condition: str
    state: str
    when: str
    steps: Sequence[UpdatePart]


class Page(NamedTuple):
    """Everything on it."""

    service: str
    health: Health
    headline: str
    read: Moment
    read_clock: str
    stale: str
    unresolved: Sequence[IncidentPart]
    under_way: Sequence[WorkPart]
    components: Sequence[ComponentPart]
    key: Sequence[tuple[str, str]]
    figures: Sequence[FigurePart]
    target: str
    zone: str
    to_come: Sequence[WorkPart]
    settled: Sequence[IncidentPart]
    done: Sequence[WorkPart]


def lay_out(snapshot: Snapshot, now_s: int) -> Page:
    """Return the page as it is at a second, since the epoch."""
    health = now.overall(snapshot, now_s)
    figures = snapshot.figures
    components = [_component(view, snapshot, now_s) for view in snapshot.components]
    return Page(
        service=snapshot.service,
        health=health,
        headline=headline(snapshot, now_s),
        read=_moment(snapshot.read_us),
        read_clock=words.clock(snapshot.read_us),
        stale=_stale(snapshot, now_s),
        unresolved=[_incident(one) for one in now.unresolved(snapshot)],
        under_way=[_work(one, now_s) for one in now.under_way(snapshot, now_s)],
        components=components,
        key=_key(components),
        figures=[_figure(figure) for figure in figures],
        target=words.target(figures[0].target) if figures else "",
        zone=snapshot.zone,
        to_come=[_work(one, now_s) for one in now.to_come(snapshot, now_s)],
        settled=[_incident(one) for one in now.settled(snapshot)],
        done=[_work(one, now_s) for one in now.done(snapshot, now_s)],
    )


def headline(snapshot: Snapshot, now_s: int) -> str:
    """Say in one line how the service is."""
    health = now.overall(snapshot, now_s)
    if health is Health.OPERATIONAL:
        seen = all(view.is_measured for view in snapshot.components)
        return "Everything works" if seen else "Everything works, as far as is known"
    if health is Health.UNKNOWN and now.is_stale(snapshot, now_s):
        return "It is not known how things are now"
    concerned = [
        names.COMPONENT[view.component]
        for view in snapshot.components
        if now.health(view, snapshot, now_s) is health
    ]
    who = " and ".join([", ".join(concerned[:-1]), concerned[-1]] if concerned[1:] else concerned)
    are = "are" if concerned[1:] else "is"
    return {
        Health.MAINTENANCE: f"{who} {are} in maintenance",
        Health.UNKNOWN: f"It is not known whether {who} {'work' if concerned[1:] else 'works'}",
        Health.DEGRADED: f"{who} {'work' if concerned[1:] else 'works'} with faults",
        Health.PARTIAL: f"{who} {are} partly out of order",
        Health.OUTAGE: f"{who} {are} out of order",
    }[health]


def _stale(snapshot: Snapshot, now_s: int) -> str:
    if not now.is_stale(snapshot, now_s):
        return ""
    age = words.duration(now_s - snapshot.read_us // _US)
    return (
        f"The service's records could not be read for {age}. What follows is what they said then;"
        " verification needs them too, so it is likely to be out of order."
    )


def _key(components: Sequence[ComponentPart]) -> Sequence[tuple[str, str]]:
    """Return what the bars that are there mean; nothing when all is well."""
    kinds = {
        piece.kind for part in components for column in part.columns for piece in column.pieces
    }
    return [one for one in names.BARS if one[0] in kinds] if kinds - {"well"} else ()


def _moment(at_us: int) -> Moment:
    return Moment(words.moment(at_us), words.stamp(at_us))


def _component(view: ComponentView, snapshot: Snapshot, now_s: int) -> ComponentPart:
    health = now.health(view, snapshot, now_s)
    bars = view.bars
    lost = sum(bar.downtime_s for bar in bars)
    unknown = sum(bar.unknown_s for bar in bars if bar.period_s)
    said = f"{words.duration(lost)} lost" if lost else "Nothing lost"
    if unknown:
        said += f", {words.duration(unknown)} not known"
    about = names.ABOUT[view.component]
    if not view.is_measured:
        about += " Not measured; what people report is shown."
    return ComponentPart(
        name=names.COMPONENT[view.component],
        about=about,
        health=health,
        state=(
            names.HEALTH[health]
            if view.is_measured or health is not Health.OPERATIONAL
            else "No fault reported"
        ),
        columns=columns(bars),
        first_day=f"{len(bars)} days ago",
        summary=said if bars else "",
        rows=[
            DayRow(words.day(bar.day), tell(bar))
            for bar in reversed(bars)
            if bar.period_s and not is_plain(bar)
        ],
    )


def _figure(figure: Figure) -> FigurePart:
    known = figure.availability
    bounds = f"{words.percent(known.low)} to {words.percent(known.high)}"
    single = words.percent(known.availability)
    # What the known part alone says would pass for the figure, however little is known.
    is_open = known.verdict is Verdict.INDETERMINATE and known.availability is not None
    facts = [("Known", f"{words.coverage(known.coverage)} of the time")]
    if is_open:
        facts.append(("Of what is known", single))
    elif known.unknown_s and known.eligible_s:
        facts.append(("At least, at most", bounds))
    facts.append(("Lost", words.duration(known.downtime_s)))
    left = known.budget_remaining_s
    allowed = words.duration(known.budget_allowed_s)
    facts.append(
        ("Budget left", f"{words.duration(left)} of {allowed}")
        if left >= 0
        else ("Budget overspent", f"by {words.duration(-left)}, of {allowed}")
    )
    if known.maintenance_s:
        facts.append(("Announced maintenance", f"{words.duration(known.maintenance_s)}, left out"))
    return FigurePart(
        name=_period(figure),
        span=words.days(figure.first, figure.last),
        availability=bounds if is_open else single,
        is_known=known.availability is not None and not is_open,
        verdict=known.verdict.value.replace("_", "-"),
        verdict_text=names.VERDICT[known.verdict],
        facts=facts if known.verdict is not Verdict.NO_ELIGIBLE_TIME else (),
    )


def _period(figure: Figure) -> str:
    first = figure.first
    if figure.period is PeriodName.MONTH:
        return f"{first:%B %Y}"
    if figure.period is PeriodName.QUARTER:
        return f"Quarter {(first.month - 1) // _QUARTER_MONTHS + 1} of {first.year}"
    if figure.period is PeriodName.TERM:
        return "This term"
    return f"Last {round(figure.span.seconds / _DAY_S)} days"


def _incident(one: PublicIncident) -> IncidentPart:
    return IncidentPart(
        anchor=f"incident-{one.reference}",
        title=one.title,
        component=names.COMPONENT[one.component],
        kind=one.state.value,
        state=names.STATE[one.state],
        severity="" if one.severity is None else names.SEVERITY[Severity(one.severity)],
        updates=[
            UpdatePart(_moment(update.at_us), names.STATE[update.state], names.told(update))
            for update in reversed(one.updates)
        ],
    )


def _work(one: Work, now_s: int) -> WorkPart:
    condition = condition_of(one.state, one.span, now_s)
    return WorkPart(
        anchor=f"maintenance-{one.maintenance_id}",
        title=one.title,
        component=names.COMPONENT[Component(one.component)],
        condition=condition.value,
        state=names.CONDITION[condition],
        when=words.window(*one.span),
        steps=[
            UpdatePart(_moment(step.at_us), names.STEP[step.step], words.window(*step.span))
            for step in reversed(one.steps)
        ],
    )
