"""The clocks of an incident: each with its story, out of the history. Pure.

The initial response runs from the report until a person acknowledges or tells something. Updates
are owed when a customer reported it: from the report, from each update to the next, until it is
resolved or dismissed. The report is due after the resolution, by the worst severity ever given.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from server.incidents.clocks import Clock
from server.incidents.record import Assignment, Incident, Record
from server.incidents.response import Answered, Assigned, Event, Outcome, ResponseClock, run
from server.incidents.schedule import Reckoning
from server.incidents.severity import Severity
from server.incidents.states import UNSETTLED, State, Step

_US = 1_000_000
_ANSWERS = frozenset({Step.ACKNOWLEDGED, Step.UPDATE})
_TELLS = frozenset({Step.UPDATE, Step.RESOLVED})


class IncidentClock(NamedTuple):
    """A clock of an incident. story: the due instants that held, whether it was answered or missed.

    over_at: from when on nobody owes anything, because the incident was dismissed, or reopened
    before its report was due; a clock that was missed before stays missed.
    """

    clock: Clock
    story: ResponseClock
    over_at: int | None = None

    def outcome(self, now: int) -> Outcome | None:
        """Return how it stands at an instant, None when there is nothing to be met."""
        if self.over_at is None:
            return self.story.outcome(now)
        outcome = self.story.outcome(min(now, self.over_at))
        return None if outcome is Outcome.RUNNING else outcome

    @property
    def runs(self) -> bool:
        """Whether somebody still has to do something, in time or late."""
        answered = self.story.answered_at is not None
        return not answered and self.story.due is not None and self.over_at is None


def incident_clocks(incident: Incident, reckoning: Reckoning) -> list[IncidentClock]:
    """Return the clocks of an incident as of its last record; CalendarError."""
    clocks = [_response(incident, reckoning)]
    if incident.opening.customer is not None:
        clocks += _updates(incident, reckoning)
    clocks += _reports(incident, reckoning)
    return [one for one in clocks if any(due.due is not None for due in one.story.dues)]


def _response(incident: Incident, reckoning: Reckoning) -> IncidentClock:
    target = partial(reckoning.due, Clock.INITIAL_RESPONSE)
    start = incident.reported_us // _US
    events = _events(incident.history, _ANSWERS)
    story = run(start, incident.opening.severity, events, target)
    return IncidentClock(Clock.INITIAL_RESPONSE, story, _dismissed_at(incident))


def _updates(incident: Incident, reckoning: Reckoning) -> list[IncidentClock]:
    """Return a clock from the report and from each update to the next, while it is not settled."""
    target = partial(reckoning.due, Clock.UPDATE)
    clocks = []
    severity = incident.opening.severity
    before: State | None = None
    for index, (record, state) in enumerate(zip(incident.history, incident.states, strict=True)):
        severity = _given(record) or severity
        if _begins_update(record, before, state):
            begins_us = incident.reported_us if before is None else record.at_us
            events = _events(incident.history[index + 1 :], _TELLS)
            story = run(begins_us // _US, severity, events, target)
            clocks.append(IncidentClock(Clock.UPDATE, story, _dismissed_at(incident)))
        before = state
    return clocks


def _begins_update(record: Record, before: State | None, state: State) -> bool:
    """Whether the next update is owed from here on. After a resolution none is."""
    if before is None:
        return True
    if record.step is Step.REOPENED:
        return before is State.RESOLVED  # one that was dismissed goes on where it was
    return record.step is Step.UPDATE and record.author.is_person and state in UNSETTLED


def _dismissed_at(incident: Incident) -> int | None:
    """Return since when it is none. One that is reopened owes everything from the report on."""
    if incident.state is not State.DISMISSED:
        return None
    return max(one.at_us for one in incident.history if one.step is Step.DISMISSED) // _US


def _reports(incident: Incident, reckoning: Reckoning) -> list[IncidentClock]:
    """Return a clock from each resolution: one that is reopened starts again.

    It counts from the resolution also when a severity is assigned after it: 2.f.ii knows no other
    beginning.
    """
    target = partial(reckoning.due, Clock.INCIDENT_REPORT)
    clocks = []
    for index, record in enumerate(incident.history):
        if record.step is not Step.RESOLVED:
            continue
        later = incident.history[index + 1 :]
        reopened = [at for at, one in enumerate(later) if one.step is Step.REOPENED]
        until = later[: reopened[0]] if reopened else later
        known = incident._replace(history=(*incident.history[: index + 1], *until))
        published = [
            Answered(_after(one), one.author.is_person)
            for one in until
            if one.step is Step.REPORTED
        ]
        story = run(record.at_us // _US, known.highest_severity, published, target)
        over_at = later[reopened[0]].at_us // _US if reopened else None
        clocks.append(IncidentClock(Clock.INCIDENT_REPORT, story, over_at))
    return clocks


def _events(records: Sequence[Record], answers: frozenset[Step]) -> list[Event]:
    events: list[Event] = []
    for record in records:
        given = _given(record)
        if given is not None:
            events.append(Assigned(record.at_us // _US, given))
        elif record.step in answers:
            events.append(Answered(_after(record), record.author.is_person))
    return events


def _given(record: Record) -> Severity | None:
    return record.detail.severity if isinstance(record.detail, Assignment) else None


def _after(record: Record) -> int:
    """Return a whole second that is not before the record: half a second late is late."""
    return -(-record.at_us // _US)
