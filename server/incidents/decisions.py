"""What may be done with an incident: each step a pure decision, refused in words that say why.

The store calls a decision within the transaction that records it, with its own time and what is
open beside it: of two who open the same incident by a rule, the second finds the first one's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from server.incidents.instants import write_instant
from server.incidents.record import (
    Affected,
    Amendment,
    Assignment,
    Author,
    AuthorKind,
    Component,
    Confirmation,
    Detail,
    Incident,
    Loss,
    Opening,
    Origin,
    Record,
)
from server.incidents.severity import Severity
from server.incidents.states import State, Step, StepRefusedError, step
from server.incidents.words import IncidentInputError

MAX_RECORDS = 1000
"""A history stays readable: what goes on longer is another incident."""

MAX_NOTES_BY_RULE = 500
"""From so many records on a rule notes nothing more: people still have to write, and to end it."""

_ROOM = 50
"""So many records are left to what ends an incident, or says what of it counts."""

LONGEST_BACK_US = 366 * 86_400 * 1_000_000
_AHEAD_US = 5 * 60 * 1_000_000
"""How far another host's clock may be ahead of the store's before its times are refused."""

MOST_OPEN_OF_A_PROBER = 5
MOST_OPEN_OF_PROBERS = 20
"""Incidents that are not over, of one prober and of all: each may wake people, and a prober's token
is to wake them for an outage, and not at will. It says itself what it is called: hence the second.
"""

_US = 1_000_000

_ENDS = frozenset(
    {Step.ACKNOWLEDGED, Step.ASSIGNED, Step.CONFIRMED, Step.AFFECTED, Step.AMENDED}
    | {Step.RESOLVED, Step.DISMISSED, Step.REPORTED}
)


class IncidentStateError(Exception):
    """The incident is not in the state for this step; the message says in which it is."""


class AmendingError(Exception):
    """The step takes back what counts: only who may amend takes it. The message says so."""


class Situation(NamedTuple):
    """What a decision is made on. known: None when there is none yet; open: unsettled, others."""

    now_us: int
    known: Incident | None
    open: Sequence[Incident]

    @property
    def at_us(self) -> int:
        """The time of the next record: a history does not go back when a host's clock does."""
        return self.now_us if self.known is None else max(self.now_us, self.known.history[-1].at_us)


Decision: TypeAlias = Callable[[Situation], Sequence[Record]]
"""Returns the records to append; raises what refuses the step. None to append: nothing is done."""


class Given(NamedTuple):
    """A step with what comes with it, as an author gives it."""

    step: Step
    author: Author
    text: str = ""
    detail: Detail = None


def open_incident(opening: Opening, author: Author, *given: Given) -> Decision:
    """Begin an incident; given: steps that are taken at once, as a severity that is assigned."""

    def decide(situation: Situation) -> Sequence[Record]:
        now_us = situation.now_us
        if opening.reported_us > now_us:
            raise IncidentInputError(
                f"the report, {write_instant(opening.reported_us // _US)}, is in the future"
            )
        if opening.reported_us < now_us - LONGEST_BACK_US:
            raise IncidentInputError("the report is more than a year old: give its true time")
        first = Record(Step.OPENED, now_us, author, "", opening)
        return [first, *(Record(one.step, now_us, *one[1:]) for one in given)]

    return decide


def open_by_rule(opening: Opening, author: Author, text: str, *given: Given) -> Decision:
    """Begin an incident unless one of the same origin and component is open.

    text: what the rule saw.
    """

    def decide(situation: Situation) -> Sequence[Record]:
        note = Given(Step.NOTE, author, text)
        same = same_rule(situation.open, opening.origin, opening.component)
        if same is None:
            return open_incident(opening, author, note, *given)(situation)
        return []

    return decide


def same_rule(
    open_ones: Sequence[Incident], origin: Origin, component: Component
) -> Incident | None:
    """Return the open incident that a rule opened already."""
    for incident in open_ones:
        if incident.origin is origin and incident.component is component:
            return incident
    return None


def take(*given: Given) -> Decision:
    """Take steps, one after the other at the same time."""

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation)
        added: list[Record] = []
        for one in given:
            record = Record(one.step, situation.at_us, *one[1:])
            _check(known, record)
            added.append(record)
            known = known._replace(history=(*known.history, record))
        ends = any(one.step in _ENDS for one in given)
        if len(known.history) > (MAX_RECORDS if ends else MAX_RECORDS - _ROOM):
            raise IncidentStateError(
                f"incident {known.incident_id} has {len(known.history) - len(added)} records:"
                " resolve it, and open"
                " another one for what goes on"
            )
        return added

    return decide


def note_by_rule(given: Given) -> Decision:
    """Note what a rule saw, unless it has noted so much that people would lack the room."""

    def decide(situation: Situation) -> Sequence[Record]:
        if len(_known(situation).history) >= MAX_NOTES_BY_RULE:
            return []
        return take(given)(situation)

    return decide


def tell(given: Given) -> Decision:
    """Tell something; a person who tells something of an incident that is open takes it on."""

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation)
        steps = [given]
        if known.state is State.OPEN and given.author.is_person:
            steps.insert(0, Given(Step.ACKNOWLEDGED, given.author))
        return take(*steps)(situation)

    return decide


def assign(severity: Severity, author: Author, reason: str) -> Decision:
    """Give it a severity; a reason is needed where it is not the one that was proposed."""

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation)
        proposed = known.opening.severity
        given = Given(Step.ASSIGNED, author, reason, Assignment(severity, proposed))
        if severity is not proposed and not reason:
            raise IncidentInputError(
                f"severity {proposed.value} was proposed ({known.opening.sentence}): give a reason"
                f" for {severity.value}"
            )
        return take(given)(situation)

    return decide


def confirm(losses: Sequence[Loss], author: Author, reason: str) -> Decision:
    """Say which seconds were lost; a reason is needed to change that after a resolution."""

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation)
        for loss in losses:
            _check_loss(loss, situation)
        if known.losses and _was_resolved(known) and not reason:
            raise IncidentInputError(
                "it was resolved, and what was lost was confirmed: give a reason for the change"
            )
        if known.state is State.RESOLVED:
            _check_closed(losses)
        detail = Confirmation(tuple(sorted(losses, key=lambda loss: loss.start)))
        return take(Given(Step.CONFIRMED, author, reason, detail))(situation)

    return decide


def resolve(author: Author, summary: str, *given: Given) -> Decision:
    """End it. Severity 1 and 2 need a summary, and whatever its severity a person assigned it."""

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation)
        step(known.state, Step.RESOLVED)
        if not known.assignments:
            raise IncidentStateError(
                f"nobody has assigned a severity to incident {known.incident_id}: do that first"
                f" (severity {known.opening.severity.value} is proposed)"
            )
        if known.highest_severity <= Severity.SEV_2 and not summary:
            raise IncidentInputError(
                "an incident of severity 1 or 2 is resolved with a summary: say what was wrong and"
                " what was done"
            )
        _check_closed(known.losses)
        return take(*given, Given(Step.RESOLVED, author, summary))(situation)

    return decide


def dismiss(author: Author, reason: str, *told: Given, may_amend: bool) -> Decision:
    """Note that it was none. Once seconds were confirmed, that takes back what counts.

    told: what is told with it, before: afterwards nothing is told of it.
    """

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation)
        if not reason:
            raise IncidentInputError("say why it was no incident: give a reason")
        if known.was_confirmed and not may_amend:
            raise AmendingError(
                f"seconds were confirmed of incident {known.incident_id}, and would count no more:"
                " who may amend (incident.amend) dismisses it, or resolve it"
            )
        return take(*told, Given(Step.DISMISSED, author, reason))(situation)

    return decide


def amend(amendment: Amendment, author: Author, reason: str) -> Decision:
    """Say what counts of some seconds, whatever was measured or confirmed."""

    def decide(situation: Situation) -> Sequence[Record]:
        if amendment.end * _US > situation.now_us:
            raise IncidentInputError(
                f"the end, {write_instant(amendment.end)}, is in the future: what is over is"
                " amended"
            )
        if not reason:
            raise IncidentInputError("an amendment needs a reason, which is kept with it")
        return take(Given(Step.AMENDED, author, reason, amendment))(situation)

    return decide


def affect(clients: Sequence[int], author: Author, reason: str) -> Decision:
    """Say which clients it concerns; none: all of them.

    A reason is needed where that changes whose figures hold what was confirmed, after a resolution.
    """
    named = Affected(tuple(sorted(set(clients))))

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation)
        if known.losses and _was_resolved(known) and known.clients != named.clients and not reason:
            raise IncidentInputError(
                "it was resolved, and what was lost was confirmed: give a reason why it concerns"
                " others"
            )
        return take(Given(Step.AFFECTED, author, reason, named))(situation)

    return decide


def take_over(records: Sequence[Record]) -> Decision:
    """Take a history over that was begun elsewhere, with its true times.

    When it was taken over before, records that came since are added: those for which it is too
    late become notes, so that nothing is lost and nothing done here is undone. IncidentStateError
    when a new one is one too many (MOST_OPEN_OF_A_PROBER).
    """

    def decide(situation: Situation) -> Sequence[Record]:
        _check_history(records, situation.now_us)
        if situation.known is None:
            _check_room(records[0].author, situation.open)
            return records
        return _late(situation.known, records)

    return decide


def _check_room(prober: Author, unsettled: Sequence[Incident]) -> None:
    """Refuse one incident more of a prober that has, or of probers that have, too many."""
    begun = [one.history[0].author for one in unsettled]
    of_probers = [author for author in begun if author.kind is AuthorKind.PROBER]
    mine = of_probers.count(prober)
    if mine < MOST_OPEN_OF_A_PROBER and len(of_probers) < MOST_OPEN_OF_PROBERS:
        return
    words = f"{len(of_probers)} incidents of probers are not over"
    if mine >= MOST_OPEN_OF_A_PROBER:
        words = f"prober {prober.name} has {mine} incidents here that are not over"
    raise IncidentStateError(
        f"{words}: no more are taken over. An operator has to dismiss or resolve those that are; if"
        " nobody knows why there are so many, revoke the prober's token"
    )


def _late(known: Incident, records: Sequence[Record]) -> Sequence[Record]:
    """Return what of a history that goes on elsewhere is not known here yet."""
    if known.history[0] != records[0]:
        raise IncidentInputError(
            f"incident {known.incident_id} was handed in under this reference, and began otherwise"
        )
    here = set(known.history)
    told = {record.text for record in known.history if record.step is Step.NOTE}
    added: list[Record] = []
    for record in records:
        words = _as_note(record)
        if record in here or words in told:
            continue
        last_us = known.history[-1].at_us
        late = record
        if record.at_us < last_us or not _leads_on(known, record):
            late = Record(Step.NOTE, max(last_us, record.at_us), record.author, words)
        if len(known.history) >= MAX_RECORDS:
            raise IncidentStateError(
                f"incident {known.incident_id} has {MAX_RECORDS} records: no more are taken over"
            )
        added.append(late)
        known = known._replace(history=(*known.history, late))
    return added


def _as_note(record: Record) -> str:
    words = f": {record.text}" if record.text else ""
    return f"{record.step.value} elsewhere at {write_instant(record.at_us // _US)}{words}"[:4000]


def _leads_on(known: Incident, record: Record) -> bool:
    try:
        step(known.state, record.step)
    except StepRefusedError:
        return False
    return True


def _check_history(records: Sequence[Record], now_us: int) -> None:
    """Refuse a history that could not have been written here."""
    if not records or not isinstance(records[0].detail, Opening):
        raise IncidentInputError("a history begins with how it was opened")
    if len(records) > MAX_RECORDS:
        raise IncidentInputError(f"a history has at most {MAX_RECORDS} records")
    _check_opening(records[0].detail)
    before_us = records[0].detail.reported_us
    state: State | None = None
    for record in records:
        if record.author.kind is not _ELSEWHERE.get(record.step):
            # What counts, who is concerned, when it is over: that is said here, under one's name.
            raise IncidentInputError(
                f"a {record.author.kind.value}'s record of the step {record.step.value!r} is not"
                " taken over: take that step here"
            )
        if record.at_us < before_us:
            raise IncidentInputError("the times of a history do not go back")
        try:
            state = step(state, record.step)
        except StepRefusedError as error:
            raise IncidentInputError(f"no history goes like this: {error}") from None
        before_us = record.at_us
    if before_us > now_us + _AHEAD_US:
        raise IncidentInputError(
            "the history has times to come: set the clock of the host that wrote it"
        )


def _check_opening(opening: Opening) -> None:
    if opening.origin is not Origin.PROBE or opening.customer is not None:
        raise IncidentInputError("what is taken over was opened by a probe, and by no customer")


_ELSEWHERE: Mapping[Step, AuthorKind] = {
    Step.OPENED: AuthorKind.PROBER,
    Step.NOTE: AuthorKind.PROBER,
    Step.ACKNOWLEDGED: AuthorKind.OPERATOR,
    Step.UPDATE: AuthorKind.OPERATOR,
}
"""What a prober has to tell, and whose record that is. Its token opens nothing beyond."""


def _was_resolved(known: Incident) -> bool:
    return any(one.step is Step.RESOLVED for one in known.history)


def _known(situation: Situation) -> Incident:
    if situation.known is None:
        raise IncidentStateError("there is no such incident")
    return situation.known


def _check(known: Incident, record: Record) -> None:
    """Refuse a step that cannot be taken, in words that name the incident."""
    try:
        step(known.state, record.step)
    except StepRefusedError as error:
        raise IncidentStateError(f"incident {known.incident_id}: {error}") from None


def _check_loss(loss: Loss, situation: Situation) -> None:
    if loss.start * _US > situation.now_us:
        raise IncidentInputError(f"the start, {write_instant(loss.start)}, is in the future")
    if loss.end is None:
        return
    if loss.end <= loss.start:
        raise IncidentInputError(
            f"the end, {write_instant(loss.end)}, is not after the start,"
            f" {write_instant(loss.start)}"
        )
    if loss.end * _US > situation.now_us:
        raise IncidentInputError(
            f"the end, {write_instant(loss.end)}, is in the future: leave it out while it goes on"
        )


def _check_closed(losses: Sequence[Loss]) -> None:
    for loss in losses:
        if loss.end is None:
            raise IncidentInputError(
                f"the loss since {write_instant(loss.start)} has no end: confirm when it ended"
            )
