"""Incidents as the admin API answers them."""

from collections.abc import Sequence

from server.incidents.clocks import Clock
from server.incidents.components import Component
from server.incidents.incident_clocks import IncidentClock
from server.incidents.instants import write_instant
from server.incidents.record import Incident, Loss, Origin, Record
from server.incidents.record_json import write_detail
from server.incidents.response import Outcome
from server.incidents.states import State, Step
from server.web.admin_request import moment
from server.web.json_types import Moment, Shown


class ProposalShown(Shown):
    """The severity that was proposed, and the schedule's sentence that it follows from."""

    severity: int
    sentence: str


class LossShown(Shown):
    """Seconds that a person says were lost. end: null while it goes on; impact: 1 or 1/3."""

    start: Moment
    end: Moment | None
    impact: str


class AmendmentShown(Shown):
    """What counts of some seconds instead of what was measured or confirmed."""

    start: Moment
    end: Moment
    impact: str
    time: Moment
    reason: str


class ClockShown(Shown):
    """A clock. due: as it holds now; outcome: null when there is nothing to be met any more."""

    clock: Clock
    start: Moment
    due: Moment | None
    outcome: Outcome | None
    answered: Moment | None
    missed: Moment | None


class RecordShown(Shown):
    """A step of the history. detail: what comes with a step of its kind."""

    step: Step
    time: Moment
    author: str
    by_person: bool
    text: str
    detail: dict[str, object] | None


class IncidentShown(Shown):
    """An incident. public: whether the status page shows it; clients: none stands for all."""

    id: int
    component: Component
    title: str
    state: State
    severity: int
    proposed: ProposalShown
    origin: Origin
    public: bool
    customer: int | None
    clients: list[int]
    reported: Moment
    acknowledged: Moment | None
    resolved: Moment | None
    losses: list[LossShown]
    amendments: list[AmendmentShown]
    clocks: list[ClockShown]
    history: list[RecordShown]


class IncidentsShown(Shown):
    """A page of incidents. next: `after` of the page behind it, null at the end."""

    incidents: list[IncidentShown]
    next: int | None


def show_incident(one: Incident, clocks: Sequence[IncidentClock], now_s: int) -> IncidentShown:
    """Return an incident as it is answered."""
    opening = one.opening
    return IncidentShown(
        id=one.incident_id,
        component=one.component,
        title=one.title,
        state=one.state,
        severity=one.severity.value,
        proposed=ProposalShown(severity=opening.severity.value, sentence=opening.sentence),
        origin=one.origin,
        public=one.public,
        customer=opening.customer,
        clients=list(one.clients),
        reported=moment(one.reported_us),
        acknowledged=_maybe(one.acknowledged_us),
        resolved=_maybe(one.resolved_us),
        losses=[_loss(loss) for loss in one.losses],
        amendments=_amendments(one),
        clocks=[_clock(clock, now_s) for clock in clocks],
        history=[_record(record) for record in one.history],
    )


def _maybe(time_us: int | None) -> str | None:
    return None if time_us is None else moment(time_us)


def _second(seconds: int | None) -> str | None:
    return None if seconds is None else write_instant(seconds)


def _loss(loss: Loss) -> LossShown:
    return LossShown(
        start=write_instant(loss.start), end=_second(loss.end), impact=str(loss.impact)
    )


def _amendments(one: Incident) -> list[AmendmentShown]:
    records = [record for record in one.history if record.step is Step.AMENDED]
    return [
        AmendmentShown(
            start=write_instant(amendment.start),
            end=write_instant(amendment.end),
            impact=str(amendment.impact),
            time=moment(record.at_us),
            reason=record.text,
        )
        for record, amendment in zip(records, one.amendments, strict=True)
    ]


def _clock(clock: IncidentClock, now_s: int) -> ClockShown:
    story = clock.story.at(now_s if clock.over_at is None else min(now_s, clock.over_at))
    return ClockShown(
        clock=clock.clock,
        start=write_instant(story.reported_at),
        due=_second(story.due),
        outcome=clock.outcome(now_s),
        answered=_second(story.answered_at),
        missed=_second(story.missed_at),
    )


def _record(record: Record) -> RecordShown:
    detail = write_detail(record.detail)
    return RecordShown(
        step=record.step,
        time=moment(record.at_us),
        author=f"{record.author.kind.value} {record.author.name}",
        by_person=record.author.is_person,
        text=record.text,
        detail=dict(detail) if isinstance(detail, dict) else None,
    )
