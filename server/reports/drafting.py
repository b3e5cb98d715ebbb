"""From an incident and what was counted meanwhile to the facts of its analysis report. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from server.incidents.availability import Availability
from server.incidents.instants import write_instant
from server.incidents.intervals import Span
from server.incidents.record import (
    Amendment,
    Assignment,
    Author,
    AuthorKind,
    Confirmation,
    Incident,
    Record,
    Step,
    Update,
)
from server.reports.analysis import ClockLine, Effect, Facts, Impact, Loss, Moment
from server.reports.values import Requests, Seconds

_US = 1_000_000

_BY = {
    AuthorKind.OPERATOR: "a person",
    AuthorKind.CONTACT: "a customer's contact",
    AuthorKind.SYSTEM: "the system",
    AuthorKind.PROBER: "the prober",
}


class Counted(NamedTuple):
    """What was counted of a client (0: all together) in the incident's time."""

    client_id: int
    requests: Requests
    figures: Availability


class MonthCounted(NamedTuple):
    """A month that the incident touches: its figures so far, and those of the time in it."""

    name: str
    figures: Availability
    within: Availability


class Evidence(NamedTuple):
    """Everything that a draft is made of besides the incident.

    span: the incident's time; now_s: when it is drafted; clocks: without the report's own; cut: the
    incident's time was too long to be looked at whole.
    """

    span: Span
    now_s: int
    due_s: int | None
    clocks: Sequence[ClockLine]
    counted: Sequence[Counted]
    months: Sequence[MonthCounted]
    cut: bool = False


def span_of(incident: Incident, now_s: int) -> Span:
    """Return an incident's time: from the first second that is lost or reported to its end."""
    starts = [incident.reported_us // _US, *(loss.start for loss in incident.losses)]
    last = now_s if incident.resolved_us is None else -(-incident.resolved_us // _US)
    ends = [last, *(now_s if loss.end is None else loss.end for loss in incident.losses)]
    start = min(starts)
    return Span(start, max(start + 1, *ends))


def draft(incident: Incident, evidence: Evidence) -> Facts:
    """Return the facts."""
    resolved_us = incident.resolved_us
    return Facts(
        incident=incident.incident_id,
        component=incident.component.value,
        title=incident.title,
        origin=incident.origin.value,
        severity=incident.highest_severity.value,
        reported=incident.reported_us // _US,
        resolved=None if resolved_us is None else resolved_us // _US,
        due=evidence.due_s,
        drafted=evidence.now_s,
        clients=incident.clients,
        timeline=tuple(_moment(record) for record in incident.history),
        clocks=tuple(evidence.clocks),
        losses=tuple(
            Loss(start=loss.start, end=loss.end, impact=loss.impact) for loss in incident.losses
        ),
        impacts=tuple(
            Impact(
                client=one.client_id,
                requests=one.requests,
                downtime_s=one.figures.downtime_s,
                unknown_s=one.figures.unknown_s,
            )
            for one in evidence.counted
        ),
        effects=tuple(
            Effect(month=one.name, seconds=Seconds.of(one.figures), lost_s=one.within.downtime_s)
            for one in evidence.months
        ),
        unknown=tuple(_unknown(incident, evidence)),
    )


def _moment(record: Record) -> Moment:
    told = isinstance(record.detail, Update) and record.detail.public
    return Moment(
        at=record.at_us // _US,
        what=_what(record),
        by=_by(record.author),
        text=record.text if told else "",
        note="" if told else record.text,
        # What operators write to each other is theirs; states and severities are everybody's.
        internal=record.step in {Step.NOTE, Step.AFFECTED}
        or (record.step is Step.UPDATE and not told),
    )


def _by(author: Author) -> str:
    return _BY[author.kind]


def _what(record: Record) -> str:
    match record.detail:
        case Assignment(severity, proposed):
            differs = "" if severity is proposed else f" (proposed: {proposed.value})"
            return f"severity {severity.value} assigned{differs}"
        case Confirmation(losses):
            return f"{len(losses)} span{'' if len(losses) == 1 else 's'} of downtime confirmed"
        case Amendment(start, end, impact):
            span = f"{write_instant(start)} to {write_instant(end)}"
            return f"amended: an impact of {impact} counts from {span}"
        case _:
            return record.step.value


def _unknown(incident: Incident, evidence: Evidence) -> list[str]:
    found = []
    if incident.resolved_us is None:
        found.append("The incident is not resolved: everything here is as of the draft.")
    if not incident.losses:
        found.append(
            "No person has confirmed when service was lost: what was measured is what counts."
        )
    if any(loss.end is None for loss in incident.losses):
        found.append("The end of a confirmed loss is not known yet.")
    if not incident.assignments:
        found.append("No person has assigned a severity: the one that was proposed is shown.")
    unseen = [one for one in evidence.counted if one.figures.unknown_s]
    if any(one.client_id == 0 for one in unseen):
        seconds = next(one.figures.unknown_s for one in unseen if one.client_id == 0)
        found.append(
            f"Of {seconds} s of the incident's time nothing was measured: neither requests nor"
            " probes. They count as unknown, not as up."
        )
    if evidence.cut:
        end = write_instant(evidence.span.end)
        found.append(f"The incident's time is long: what was counted is shown up to {end}.")
    if not evidence.counted:
        found.append(
            f"Availability is measured of validation alone, and of {incident.component.value} only"
            " what people wrote down."
        )
    elif not incident.clients:
        found.append(
            "Nobody has said which clients it concerns: clients without a request in its time may"
            " have been affected and are not listed."
        )
    return found
