"""The desk for incidents: what people and rules do with them, decided and kept."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.incidents import decisions
from server.incidents.decisions import Decision, Given
from server.incidents.incident_clocks import IncidentClock, incident_clocks
from server.incidents.instants import parse_local
from server.incidents.intervals import Span
from server.incidents.ports import IncidentBook, UnknownIncidentError, Ways
from server.incidents.record import (
    Amendment,
    Assignment,
    Author,
    AuthorKind,
    Component,
    Incident,
    Loss,
    Opening,
    Origin,
    Record,
    Update,
)
from server.incidents.record_json import MAX_CLIENTS, MAX_LOSSES, read_impact
from server.incidents.reminders import Reminder
from server.incidents.rules import Finding
from server.incidents.schedule import DueNote, Reckoning, Schedule
from server.incidents.severity import Severity, Situation, propose
from server.incidents.states import Step
from server.incidents.words import IncidentInputError, checked_title, checked_words
from server.journal.acts import LOCAL, OPERATOR, SYSTEM, Act, Actor, Cause
from server.leases import Lease

MAX_PAGE = 1000
UTC_NAME = "UTC"
CONTACT = "contact"
"""The kind of an actor who is a customer's contact."""

ON_CALL = "on-call"
"""The kind of an actor who is known by the rota, and came by a signed link."""

KEYSTEAD = Author(AuthorKind.SYSTEM, "keystead")
_LATEST_S = 32_503_680_000  # the year 3000
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_US = 1_000_000


class NewIncident(NamedTuple):
    """What a person says of an incident that they open.

    situation: what is known, from which a severity is proposed; severity: one that is assigned at
    once; reported: when a customer or somebody else reported it, as text, "" for now; customer: who
    reported it, None when we found it; public: whether the status page shows it.
    """

    component: Component
    title: str
    situation: Situation
    severity: Severity | None = None
    reported: str = ""
    zone: str = UTC_NAME
    customer: int | None = None
    public: bool = True
    tell: str = ""


class SpanText(NamedTuple):
    """Seconds with an impact, as people write them: times as text, "" for an end that is open."""

    start: str
    end: str
    impact: str


class IncidentDesk:
    """What may be done with incidents. Store errors pass through.

    schedule: by which due instants are computed. Times are ISO 8601, with their offset or on the
    wall of `zone`. Each raises IncidentInputError or InstantError, and most IncidentStateError,
    StepRefusedError or UnknownIncidentError. The cause's reason is what a record says of itself;
    `tell` is told to everybody with it.
    """

    def __init__(self, book: IncidentBook, schedule: Schedule | None = None) -> None:
        self._book = book
        self.schedule = schedule or Schedule()

    async def open(self, new: NewIncident, *, cause: Cause) -> Incident:
        """Open an incident as a person. Who tells something with it takes it on at once."""
        author = author_of(cause.actor)
        wall = _zone(new.zone)
        now_us = await self._book.store_time_us()
        reported_us = _seconds(new.reported, wall) * _US if new.reported else now_us
        proposal = propose(
            new.situation._replace(
                upload_or_keys=new.component in {Component.UPLOAD, Component.API_KEYS}
            )
        )
        opening = Opening(
            new.component,
            checked_title(new.title),
            Origin.PERSON,
            proposal.severity,
            proposal.sentence,
            reported_us,
            new.customer,
            new.public,
        )
        given = []
        if new.severity is not None:
            reason = _reason(cause)
            if new.severity is not proposal.severity and not reason:
                raise IncidentInputError(
                    f"severity {proposal.severity.value} is proposed ({proposal.sentence}): give a"
                    f" reason for {new.severity.value}"
                )
            detail = Assignment(new.severity, proposal.severity)
            given.append(Given(Step.ASSIGNED, author, reason, detail))
        words = checked_words(new.tell)
        if words:
            given.append(Given(Step.ACKNOWLEDGED, author))
            given.append(Given(Step.UPDATE, author, words, Update(public=True)))
        return await self._add(decisions.open_incident(opening, author, *given), cause)

    async def open_by_rule(self, finding: Finding, lease: Lease | None = None) -> Incident | None:
        """Open an incident that a rule found; None when the same rule's is open already.

        LeaseLostError.
        """
        opening = finding.opening(await self._book.store_time_us())
        given = []
        if finding.assigned:
            detail = Assignment(opening.severity, opening.severity)
            given.append(Given(Step.ASSIGNED, KEYSTEAD, opening.sentence, detail))
        decision = decisions.open_by_rule(opening, KEYSTEAD, checked_words(finding.text), *given)
        act = Act(Actor(SYSTEM, KEYSTEAD.name), "incident.open", f"rule {opening.origin.value}")
        return await self._book.add_incident(decision, Ways(self.schedule, act, lease))

    async def note_by_rule(
        self, origin: Origin, component: Component, text: str, lease: Lease | None = None
    ) -> Incident | None:
        """Note what a rule saw on its open incident; None when it has none. It stops no clock."""
        found = decisions.same_rule(await self.unsettled(), origin, component)
        if found is None:
            return None
        act = Act(Actor(SYSTEM, KEYSTEAD.name), "incident.note", f"rule {origin.value}")
        given = Given(Step.NOTE, KEYSTEAD, checked_words(text))
        ways = Ways(self.schedule, act, lease)
        decision = decisions.note_by_rule(given)
        return await self._book.continue_incident(found.incident_id, decision, ways)

    async def acknowledge(self, incident_id: int, *, tell: str = "", cause: Cause) -> Incident:
        """Take it on: a person works on it now."""
        return await self._step(incident_id, Step.ACKNOWLEDGED, "acknowledge", tell, cause)

    async def mitigate(self, incident_id: int, *, tell: str = "", cause: Cause) -> Incident:
        """Note that the service works again, and that it is being watched."""
        return await self._step(incident_id, Step.MITIGATED, "mitigate", tell, cause)

    async def worsen(self, incident_id: int, *, tell: str = "", cause: Cause) -> Incident:
        """Note that it does not work after all."""
        return await self._step(incident_id, Step.WORSENED, "worsen", tell, cause)

    async def resolve(
        self, incident_id: int, *, summary: str = "", tell: str = "", cause: Cause
    ) -> Incident:
        """End it. summary: what was wrong and what was done; needed for severity 1 and 2."""
        author = author_of(cause.actor)
        words = checked_words(summary) or _reason(cause)
        decision = decisions.resolve(author, words, *_told(author, tell))
        return await self._continue(incident_id, decision, "resolve", cause)

    async def reopen(self, incident_id: int, *, tell: str = "", cause: Cause) -> Incident:
        """Go on with it: it is not over, or was one after all."""
        checked_words(cause.reason, needed="say why it is opened again: give a reason")
        return await self._step(incident_id, Step.REOPENED, "reopen", tell, cause)

    async def dismiss(
        self, incident_id: int, *, tell: str = "", may_amend: bool = False, cause: Cause
    ) -> Incident:
        """Note that it was none. What was measured stays as it is.

        may_amend: whether who does it may also amend, else AmendingError once seconds were
        confirmed.
        """
        author = author_of(cause.actor)
        told = _told(author, tell)
        decision = decisions.dismiss(author, _reason(cause), *told, may_amend=may_amend)
        return await self._continue(incident_id, decision, "dismiss", cause)

    async def update(
        self, incident_id: int, text: str, *, public: bool = True, cause: Cause
    ) -> Incident:
        """Tell something. public: to everybody; else to those it concerns, by other ways."""
        author = author_of(cause.actor)
        words = checked_words(text, needed="an update says something")
        decision = decisions.tell(Given(Step.UPDATE, author, words, Update(public=public)))
        return await self._continue(incident_id, decision, "update", cause)

    async def note(self, incident_id: int, text: str, *, cause: Cause) -> Incident:
        """Write something down for those who look: it stops no clock."""
        words = checked_words(text, needed="a note says something")
        given = Given(Step.NOTE, author_of(cause.actor), words)
        return await self._continue(incident_id, decisions.take(given), "note", cause)

    async def assign(self, incident_id: int, severity: Severity, *, cause: Cause) -> Incident:
        """Give it a severity; with a reason where it is another than was proposed."""
        decision = decisions.assign(severity, author_of(cause.actor), _reason(cause))
        return await self._continue(incident_id, decision, "assign", cause)

    async def confirm(
        self, incident_id: int, spans: Sequence[SpanText], *, zone: str = UTC_NAME, cause: Cause
    ) -> Incident:
        """Say which seconds were lost, all of them: this replaces what was confirmed before."""
        if len(spans) > MAX_LOSSES:
            raise IncidentInputError(f"at most {MAX_LOSSES} spans are confirmed of an incident")
        wall = _zone(zone)
        losses = [
            Loss(
                _seconds(span.start, wall),
                _seconds(span.end, wall) if span.end else None,
                _impact(span.impact, least=1),
            )
            for span in spans
        ]
        decision = decisions.confirm(losses, author_of(cause.actor), _reason(cause))
        return await self._continue(incident_id, decision, "confirm", cause)

    async def affect(self, incident_id: int, clients: Sequence[int], *, cause: Cause) -> Incident:
        """Say which clients it concerns; none: all of them."""
        if len(clients) > MAX_CLIENTS:
            raise IncidentInputError(
                f"at most {MAX_CLIENTS} clients are named; none stands for all of them"
            )
        decision = decisions.affect(clients, author_of(cause.actor), _reason(cause))
        return await self._continue(incident_id, decision, "affect", cause)

    async def amend(
        self, incident_id: int, span: SpanText, *, zone: str = UTC_NAME, cause: Cause
    ) -> Incident:
        """Say what counts of some seconds, whatever was measured or confirmed."""
        wall = _zone(zone)
        start, end = _seconds(span.start, wall), _seconds(span.end, wall)
        if end <= start:
            raise IncidentInputError("the end of an amendment comes after its start")
        amendment = Amendment(start, end, _impact(span.impact, least=0))
        decision = decisions.amend(amendment, author_of(cause.actor), _reason(cause))
        return await self._continue(incident_id, decision, "amend", cause)

    async def report_published(self, incident_id: int, text: str, *, cause: Cause) -> Incident:
        """Note that the incident analysis report was published. text: which revision."""
        given = Given(Step.REPORTED, author_of(cause.actor), checked_words(text))
        return await self._continue(incident_id, decisions.take(given), "report", cause)

    async def take_over(
        self, reference: str, records: Sequence[Record], *, cause: Cause
    ) -> Incident:
        """Take over what was begun elsewhere, with its true times; again is as good as once.

        reference: 16 to 64 letters and digits that the other side has drawn for this incident.
        """
        if _REFERENCE.fullmatch(reference) is None:
            raise IncidentInputError("a reference is 16 to 64 letters, digits, dashes, underscores")
        for record in records:
            checked_words(record.text)
            if isinstance(record.detail, Opening):
                checked_title(record.detail.title)
        ways = Ways(self.schedule, cause.act("incident.take-over"))
        return await self._book.take_incident_over(reference, decisions.take_over(records), ways)

    async def show(self, incident_id: int) -> Incident:
        """Return one with its history."""
        found = await self._book.incident(incident_id)
        if found is None:
            raise UnknownIncidentError(incident_id)
        return found

    async def list(
        self, after: int = 0, limit: int = 100, *, unsettled: bool = False
    ) -> Sequence[Incident]:
        """Return a page in order of numbers."""
        return await self._book.list_incidents(after, min(limit, MAX_PAGE), unsettled=unsettled)

    async def public(self, since_us: int) -> Sequence[Incident]:
        """Return what everybody may know."""
        return await self._book.public_incidents(since_us)

    async def affecting(self, span: Span) -> Sequence[Incident]:
        """Return those that say something about availability in a span."""
        return await self._book.incidents_affecting(span)

    async def clocks(self, incidents: Sequence[Incident]) -> Mapping[int, Sequence[IncidentClock]]:
        """Return the clocks of incidents by their numbers, by the due instants that were noted."""
        noted = await self.due_notes(incidents)
        return {
            one.incident_id: incident_clocks(
                one, Reckoning(self.schedule, noted.get(one.incident_id, ()))
            )
            for one in incidents
        }

    async def due_notes(self, incidents: Sequence[Incident]) -> Mapping[int, Sequence[DueNote]]:
        """Return the due instants that were noted, with the calendars they came from."""
        return await self._book.due_notes([one.incident_id for one in incidents])

    async def unsettled(self) -> Sequence[Incident]:
        """Return everything that somebody has to do something about."""
        found: list[Incident] = []
        while True:
            after = found[-1].incident_id if found else 0
            page = await self._book.list_incidents(after, MAX_PAGE, unsettled=True)
            found += page
            if len(page) < MAX_PAGE:
                return found

    async def resolved(self, since_us: int) -> Sequence[Incident]:
        """Return what is resolved and was changed since then."""
        return await self._book.resolved_incidents(since_us)

    async def remind(self, reminders: Sequence[Reminder], lease: Lease | None = None) -> int:
        """Tell what is to be reminded of, each once; return of how many. LeaseLostError."""
        return await self._book.remind(reminders, lease) if reminders else 0

    async def now_s(self) -> int:
        """Return the store's time in seconds."""
        return await self._book.store_time_us() // _US

    async def _step(
        self, incident_id: int, step: Step, verb: str, tell: str, cause: Cause
    ) -> Incident:
        author = author_of(cause.actor)
        given = (Given(step, author, _reason(cause)), *_told(author, tell))
        return await self._continue(incident_id, decisions.take(*given), verb, cause)

    async def _add(self, decision: Decision, cause: Cause) -> Incident:
        ways = Ways(self.schedule, cause.act("incident.open"))
        made = await self._book.add_incident(decision, ways)
        if made is None:
            raise LookupError("a person's incident was not opened")
        return made

    async def _continue(
        self, incident_id: int, decision: Decision, verb: str, cause: Cause
    ) -> Incident:
        ways = Ways(self.schedule, cause.act(f"incident.{verb}"))
        found = await self._book.continue_incident(incident_id, decision, ways)
        if found is None:
            raise UnknownIncidentError(incident_id)
        return found


def author_of(actor: Actor) -> Author:
    """Return who acts as the author of a record. Whoever is of no known kind is no person."""
    match actor.kind:
        case kind if kind == OPERATOR:
            return Author(AuthorKind.OPERATOR, actor.name)
        case kind if kind in {LOCAL, ON_CALL}:
            return Author(AuthorKind.OPERATOR, str(actor))
        case kind if kind == CONTACT:
            return Author(AuthorKind.CONTACT, actor.name)
    return Author(AuthorKind.SYSTEM, str(actor))


def _told(author: Author, tell: str) -> tuple[Given, ...]:
    words = checked_words(tell)
    return (Given(Step.UPDATE, author, words, Update(public=True)),) if words else ()


def _reason(cause: Cause) -> str:
    return checked_words(cause.reason)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise IncidentInputError(
            f"{name!r} is no time zone: write it like Europe/Stockholm, or UTC"
        ) from None


def _seconds(text: str, wall: ZoneInfo) -> int:
    """Return Unix seconds; InstantError for what is no time, or two."""
    seconds = parse_local(text, wall)
    if not 0 <= seconds <= _LATEST_S:
        raise IncidentInputError(f"{text} lies beyond the times that incidents have")
    return seconds


def _impact(text: str, *, least: int) -> Fraction:
    """Return an impact. least: 1 when it must be more than nothing."""
    impact = read_impact(text)
    if impact is None or (least and impact == 0):
        raise IncidentInputError(
            f"an impact is which part of the service was lost, like 1 or 1/3: {text!r} is none"
        )
    return impact
