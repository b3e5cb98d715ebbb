"""Figures out of the ledger alone: what its entries say, and segments that its roots commit to.

A client's minutes come as evidence beside the ledger, which holds one digest of everybody's. No
store is asked, and none of the code that keeps one; the chain itself is checked by its audit. What
came after the entry that a report names is not looked at.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from server.incidents.components import Component
from server.incidents.effects import effect, touches
from server.incidents.instants import InstantError, parse_instant
from server.incidents.intervals import Span
from server.incidents.record import Incident, Record
from server.incidents.record_json import read_record
from server.journal.canonical import HASH_OCTETS, MalformedError, member, octets
from server.journal.moments import parse_moment
from server.ledger.entry import Entry, Kind
from server.maintenance.counting import windows
from server.maintenance.plan import Maintenance, Plan, Step
from server.maintenance.plan import Record as MaintenanceRecord
from server.reports.customer import (
    ALL_CLIENTS,
    Answer,
    CustomerReport,
    Question,
    ReportedLedger,
    ReportedMethod,
    Request,
    compose,
    questions,
)
from server.reports.erasures import Taken, could_bear, erased
from server.reports.evidence import DayEvidence, EvidenceError
from server.reports.values import Requests
from server.uptime.figures import Bits, Frame
from server.uptime.figures import Question as FigureQuestion
from server.uptime.segment import Segment, day_name, parse_day

_DAY_S = 86_400
_AMENDED_DAY = "day "


class LedgerError(ValueError):
    """The ledger does not hold what a report is computed from; the message says what is missing."""


class _Day(NamedTuple):
    """What the ledger says of a day."""

    root: bytes
    together: Segment | None
    min_requests: int
    notice_s: int


class Replay:
    """Takes the entries of a ledger, in order, up to the one at which a report was made."""

    def __init__(self, ledger: ReportedLedger) -> None:
        self._ledger = ledger
        self._reached = ledger.sequence == 0
        self._days: dict[int, _Day] = {}
        self._probes: dict[int, Segment] = {}
        self._incidents: dict[int, list[Taken]] = {}
        self._maintenance: dict[int, list[MaintenanceRecord]] = {}
        self._later: dict[int, int] = {}
        self._evidence: dict[int, DayEvidence] = {}

    def take(self, entry: Entry) -> None:
        """Look at the next entry. LedgerError: it is not of this ledger, or cannot be read."""
        amends_day = entry.kind == Kind.AMENDMENT.value and entry.subject.startswith(_AMENDED_DAY)
        if entry.sequence > self._ledger.sequence:
            if amends_day:
                self._later[_day(entry)] = entry.sequence
            return
        if entry.sequence == self._ledger.sequence:
            self._reached = entry.hash.hex() == self._ledger.hash
        kinds = {Kind.MINUTES.value, Kind.PROBES.value, Kind.MAINTENANCE.value}
        told = {Kind.INCIDENT.value, Kind.AMENDMENT.value}
        if entry.kind not in kinds | told:
            return
        if entry.payload is None:
            self._erase(entry)
            return
        value = dict(entry.payload.value)
        try:
            if amends_day or entry.kind in {Kind.MINUTES.value, Kind.PROBES.value}:
                self._take_day(_day(entry), value)
            elif entry.kind == Kind.MAINTENANCE.value:
                found = self._maintenance.setdefault(int(entry.subject), [])
                found.append(_maintenance(value))
            else:
                self._keep(entry, read_record(member(value, "record", dict)))
        except (MalformedError, InstantError, ValueError) as error:
            raise LedgerError(
                f"entry {entry.sequence} of the ledger cannot be read: {error}"
            ) from None

    def _erase(self, entry: Entry) -> None:
        """Keep the place of what was erased: `doubts` says what it may have borne on."""
        if entry.kind != Kind.INCIDENT.value:
            raise LedgerError(
                f"entry {entry.sequence} of the ledger was erased, and figures are computed from it"
            )
        try:
            self._keep(entry, None)
        except ValueError:
            raise LedgerError(
                f"entry {entry.sequence} of the ledger cannot be read: it is of no incident"
            ) from None

    def _keep(self, entry: Entry, record: Record | None) -> None:
        taken = Taken(entry.sequence, entry.time_us, record)
        self._incidents.setdefault(int(entry.subject), []).append(taken)

    def close(self) -> None:
        """Say that there are no more entries. LedgerError: the report's was not among them."""
        if not self._reached:
            raise LedgerError(
                f"the report was made when the ledger had {self._ledger.sequence} entries and ended"
                f" with {self._ledger.hash}: this ledger has no such entry. It is another one, ends"
                " before that, or was altered"
            )

    def doubts(self, asked: Iterable[Question], as_of: int) -> list[int]:
        """Return the erased entries that could bear on what is asked: it cannot be proved."""
        spans = {_seen(one, as_of) for one in asked}
        return sorted(
            sequence
            for history in self._incidents.values()
            if any(could_bear(history, Component.VALIDATION, span) for span in spans)
            for sequence in erased(history)
        )

    def prove(self, evidence: Iterable[DayEvidence]) -> None:
        """Take clients' minutes, each day held against the ledger. EvidenceError."""
        for one in evidence:
            known = self._days.get(one.day)
            if known is None:
                continue  # after the report, or before anything was counted
            if one.root() != known.root:
                later = self._later.get(one.day)
                why = (
                    f": entry {later} of the ledger corrected that day after the report was made"
                    if later is not None
                    else ": minutes were altered, or left out"
                )
                raise EvidenceError(f"the minutes of {day_name(one.day)} are not the ledger's{why}")
            self._evidence[one.day] = one

    def method(self, said: ReportedMethod, as_of: int) -> ReportedMethod:
        """Return the method by which a report had to be made: with the numbers of its last day.

        A report's own word on them would let whoever alters it choose what counts.
        """
        day = self._days.get(as_of // _DAY_S - 1)
        if day is None:
            return said
        update = {"min_requests": day.min_requests, "notice_s": day.notice_s}
        return said.model_copy(update=update)

    def report(self, said: Request) -> CustomerReport:
        """Compute what a request asks for. LedgerError, EvidenceError, InputError."""
        request = said._replace(method=self.method(said.method, said.as_of))
        asked = questions(request)
        answers = {one: self.answer(one, request.as_of, request.method) for one in asked}
        return compose(request, self._ledger, answers)

    def answer(self, question: Question, as_of: int, method: ReportedMethod) -> Answer:
        """Return what the ledger says. LedgerError, EvidenceError."""
        period = question.period
        self._check_known(_seen(question, as_of))
        maintenance = [Maintenance(*one) for one in _tuples(self._maintenance)]
        asked = FigureQuestion(
            period,
            as_of,
            [
                window
                for one in maintenance
                if one.plan.component is Component.VALIDATION and one.public
                for window in windows(one)
            ],
            method.notice_s,
            method.target,
        )
        days = range(period.start // _DAY_S, -(-min(period.end, as_of) // _DAY_S))
        own = [one for one in (self._segment(question.client, day) for day in days) if one]
        probes = [self._probes[day] for day in days if day in self._probes]
        frame = Frame(asked, _bits(probes, asked))
        said = effect(
            (one for one in self._whole() if touches(one, period)),
            Component.VALIDATION,
            None if question.client == ALL_CLIENTS else question.client,
        )
        return Answer(_requests(own), frame.availability(_bits(own, asked), *said))

    def _whole(self) -> Iterator[Incident]:
        """Yield the incidents of which nothing was erased: half a history says nothing."""
        for number, history in sorted(self._incidents.items()):
            records = [one.record for one in history if one.record is not None]
            if len(records) == len(history):
                yield Incident(number, tuple(records))

    def _take_day(self, day: int, value: dict[str, Any]) -> None:
        if "probes" in value:
            self._probes[day] = Segment.of_json(member(value, "probes", dict))
        if "root" in value:
            together = value.get("together")
            self._days[day] = _Day(
                octets(value, "root", HASH_OCTETS),
                None if together is None else Segment.of_json(member(value, "together", dict)),
                member(value, "min_requests", int),
                member(value, "notice_s", int),
            )

    def _segment(self, client: int, day: int) -> Segment | None:
        known = self._days.get(day)
        if known is None:
            return None
        if client == ALL_CLIENTS:
            return known.together
        found = self._evidence.get(day)
        if found is not None and client in found.digests and client not in found.segments:
            raise EvidenceError(f"the minutes of Client ID {client} on {day_name(day)} are missing")
        if found is None and known.together is not None:
            raise EvidenceError(f"there is no evidence of {day_name(day)}")
        return None if found is None else found.segments.get(client)

    def _check_known(self, seen: Span) -> None:
        """Refuse to compute beyond the last day that the ledger holds: there nobody knows."""
        if self._days and seen.end > (max(self._days) + 1) * _DAY_S:
            raise LedgerError(
                f"the report says what happened after {day_name(max(self._days))}, the last day in"
                " the ledger at that time"
            )


def _seen(question: Question, as_of: int) -> Span:
    return Span(question.period.start, min(question.period.end, as_of))


def _day(entry: Entry) -> int:
    try:
        return parse_day(entry.subject.removeprefix(_AMENDED_DAY))
    except MalformedError as error:
        raise LedgerError(f"entry {entry.sequence} of the ledger: {error}") from None


def _bits(segments: Sequence[Segment], asked: FigureQuestion) -> Bits:
    return Bits.of([one.stretch for one in segments], *asked.grid)


def _tuples(histories: Mapping[int, list[Any]]) -> list[tuple[int, tuple[Any, ...]]]:
    return [(number, tuple(records)) for number, records in sorted(histories.items())]


def _maintenance(value: dict[str, Any]) -> MaintenanceRecord:
    span = Span(*(parse_instant(value.get(name)) for name in ("start", "end")))
    plan = Plan(Component(member(value, "component", str)), member(value, "title", str), span)
    return MaintenanceRecord(
        Step(member(value, "step", str)), parse_moment(member(value, "at", str)), plan
    )


def _requests(segments: Iterable[Segment]) -> Requests:
    sums = [sums for one in segments for sums in one.days if sums is not None]
    return Requests(
        good=sum(one.good for one in sums),
        bad=sum(one.bad for one in sums),
        excluded=sum(one.excluded for one in sums),
    )
