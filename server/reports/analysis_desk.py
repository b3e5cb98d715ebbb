"""The operator's desk for analysis reports: drafted from the data, edited, published; and clocks.

What is published is noted in the incident's history as well: that is what stops its clock.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.accounts.text import InputError
from server.incidents.business_calendar import BusinessCalendar
from server.incidents.clocks import Clock
from server.incidents.components import Component
from server.incidents.desk import IncidentDesk
from server.incidents.holiday_calendars import business_calendar
from server.incidents.incident_clocks import IncidentClock
from server.incidents.instants import InstantError, parse_instant, write_instant
from server.incidents.intervals import Span
from server.incidents.minutes import MINUTE_S
from server.incidents.record import Incident, State, Step
from server.incidents.response import Outcome
from server.journal.acts import Cause
from server.leases import Lease
from server.reports import regulatory_steps, revisions
from server.reports.analysis import ClockLine, Standing
from server.reports.customer import span_of_month
from server.reports.drafting import Counted, Evidence, MonthCounted, draft, span_of
from server.reports.ports import Counts, Figures, ReportBook
from server.reports.regulatory import (
    Regime,
    RegulatoryClock,
    RegulatoryRecord,
    regulatory_clocks,
    regulatory_reminders,
)
from server.reports.revisions import Report, ReportStateError
from server.reports.values import Requests

MOST_SECONDS = 31 * 86_400
"""Minutes are looked at one by one: of a longer incident only the first month is drafted."""

_HOUR_MINUTES = 60
_US = 1_000_000
_CLOCKS = {
    Clock.INITIAL_RESPONSE: "initial response",
    Clock.UPDATE: "update",
}
_STANDINGS = {
    Outcome.RUNNING: Standing.RUNNING,
    Outcome.MET: Standing.MET,
    Outcome.MISSED: Standing.MISSED,
}


class ReportShown(NamedTuple):
    """A report with what is known of its clock. due: None when none is owed (now)."""

    incident: Incident
    report: Report
    due: int | None
    standing: Standing | None


class RegulatoryShown(NamedTuple):
    """What was written down for authorities, and the clocks of the regimes that are on."""

    records: Sequence[RegulatoryRecord]
    clocks: Sequence[RegulatoryClock]
    now_s: int


class AnalysisDesk:
    """What may be done with analysis reports. Store errors pass through.

    regimes: whose clocks are run. Each raises UnknownIncidentError, and most InputError,
    ReportStateError or RegulatoryStateError.
    """

    def __init__(
        self,
        book: ReportBook,
        incidents: IncidentDesk,
        figures: Figures,
        counts: Counts,
        regimes: Sequence[Regime] = (),
    ) -> None:
        self._book = book
        self._incidents = incidents
        self._figures = figures
        self._counts = counts
        self.regimes = tuple(regimes)

    async def show(self, incident_id: int) -> ReportShown:
        """Return an incident's report with its history."""
        incident = await self._incidents.show(incident_id)
        return await self._shown(incident, await self._book.incident_report(incident_id))

    async def owed(self) -> Sequence[ReportShown]:
        """Return every resolved incident whose report is owed, or was published, by due time."""
        found = [
            await self._shown(one, await self._book.incident_report(one.incident_id))
            for one in await self._incidents.resolved(0)
        ]
        owed = [one for one in found if one.due is not None or one.report.history]
        return sorted(owed, key=lambda one: (one.due is None, one.due, one.incident.incident_id))

    async def draft(self, incident_id: int, *, cause: Cause) -> ReportShown:
        """Take what the data say now; what people wrote stays."""
        incident = await self._incidents.show(incident_id)
        facts = draft(incident, await self._evidence(incident))
        report = await self._book.continue_report(
            incident_id, revisions.draft(facts), act=cause.act("incident-report.draft")
        )
        return await self._shown(incident, report)

    async def edit(
        self, incident_id: int, changes: Mapping[str, str], *, cause: Cause
    ) -> ReportShown:
        """Write some of the texts anew."""
        incident = await self._incidents.show(incident_id)
        report = await self._book.continue_report(
            incident_id, revisions.edit(changes), act=cause.act("incident-report.edit")
        )
        return await self._shown(incident, report)

    async def publish(self, incident_id: int, *, cause: Cause) -> ReportShown:
        """Publish it, or a revision of it, and note that in the incident's history.

        Once more after a failure between the two ends what was begun.
        """
        incident = await self._incidents.show(incident_id)
        if incident.state is not State.RESOLVED:
            raise ReportStateError(
                f"incident {incident_id} is {incident.state.value}: its report is published after"
                " the resolution"
            )
        report = await self._book.incident_report(incident_id)
        if not _is_noted(incident, report):
            return await self._noted(incident_id, report, cause)
        report = await self._book.continue_report(
            incident_id, revisions.publish, act=cause.act("incident-report.publish")
        )
        return await self._noted(incident_id, report, cause)

    async def regulatory(self, incident_id: int) -> RegulatoryShown:
        """Return what was written down for authorities."""
        await self._incidents.show(incident_id)
        return await self._clocks(await self._book.regulatory_records(incident_id))

    async def classify(
        self, incident_id: int, regime: str, *, aware: str = "", cause: Cause
    ) -> RegulatoryShown:
        """Say that an incident has to be reported. aware: since when, "" for its report to us."""
        decision = regulatory_steps.classify(self._regime(regime), _time(aware), cause.reason)
        return await self._step(incident_id, decision, "classify", cause)

    async def withdraw(self, incident_id: int, regime: str, *, cause: Cause) -> RegulatoryShown:
        """Say that it proved to be none that has to be reported, and why."""
        decision = regulatory_steps.withdraw(self._regime(regime), cause.reason)
        return await self._step(incident_id, decision, "withdraw", cause)

    async def note_sent(
        self, incident_id: int, regime: str, stage: str, *, when: str = "", cause: Cause
    ) -> RegulatoryShown:
        """Write down that a stage was sent to the authority. when: "" for now."""
        given = self._regime(regime)
        decision = regulatory_steps.note_sent(given, stage, _time(when), cause.reason)
        return await self._step(incident_id, decision, "sent", cause)

    async def remind(self, lease: Lease | None = None) -> int:
        """Tell of authorities' clocks that will soon be due or were missed; LeaseLostError."""
        if not self.regimes:
            return 0
        now_s = await self._incidents.now_s()
        reminders = [
            reminder
            for incident_id, records in (await self._book.all_regulatory()).items()
            for regime in self.regimes
            for reminder in regulatory_reminders(
                incident_id, regulatory_clocks(regime, records, self._calendar), now_s
            )
        ]
        return await self._book.remind_regulatory(reminders, lease) if reminders else 0

    async def _step(
        self,
        incident_id: int,
        decision: regulatory_steps.RegulatoryDecision,
        verb: str,
        cause: Cause,
    ) -> RegulatoryShown:
        incident = await self._incidents.show(incident_id)
        act = cause.act(f"regulatory.{verb}")
        records = await self._book.continue_regulatory(
            incident_id, incident.reported_us, decision, act=act
        )
        return await self._clocks(records)

    async def _clocks(self, records: Sequence[RegulatoryRecord]) -> RegulatoryShown:
        clocks = [
            clock
            for regime in self.regimes
            for clock in regulatory_clocks(regime, records, self._calendar)
        ]
        return RegulatoryShown(records, clocks, await self._incidents.now_s())

    @property
    def _calendar(self) -> BusinessCalendar:
        schedule = self._incidents.schedule
        return business_calendar(schedule.entity, schedule.holidays)

    def _regime(self, name: str) -> Regime:
        if name not in {regime.value for regime in self.regimes}:
            on = ", ".join(self.regimes) or "none"
            raise InputError(
                f"the regimes that are on here: {on}. Others are switched on in the configuration,"
                f" [incidents] regulatory = [{', '.join(map(repr, map(str, Regime)))}]"
            )
        return Regime(name)

    async def _noted(self, incident_id: int, report: Report, cause: Cause) -> ReportShown:
        last = report.published[-1]
        incident = await self._incidents.report_published(
            incident_id, _revision(last.revision), cause=cause
        )
        return await self._shown(incident, report)

    async def _shown(self, incident: Incident, report: Report) -> ReportShown:
        clocks = (await self._incidents.clocks([incident]))[incident.incident_id]
        clock = _report_clock(clocks)
        if clock is None:
            return ReportShown(incident, report, None, None)
        outcome = clock.outcome(await self._incidents.now_s())
        standing = None if outcome is None else _STANDINGS[outcome]
        return ReportShown(incident, report, clock.story.due, standing)

    async def _evidence(self, incident: Incident) -> Evidence:
        now_s = await self._incidents.now_s()
        whole = span_of(incident, now_s)
        span = Span(whole.start, min(whole.end, whole.start + MOST_SECONDS))
        clocks = (await self._incidents.clocks([incident]))[incident.incident_id]
        report = _report_clock(clocks)
        measured = incident.component is Component.VALIDATION
        return Evidence(
            span=span,
            now_s=now_s,
            due_s=None if report is None else report.story.due,
            clocks=_lines(clocks, now_s),
            counted=await self._counted(incident, span) if measured else (),
            months=await self._months(span) if measured else (),
            cut=span != whole,
        )

    async def _counted(self, incident: Incident, span: Span) -> list[Counted]:
        """Return what was counted of all, and of each client that asked or is named."""
        requests: dict[int, list[int]] = {0: [0, 0, 0]}
        first, end = span.start // MINUTE_S, -(-span.end // MINUTE_S)
        # Hour by hour: a thousand clients answer a million rows a day.
        for at in range(first, end, _HOUR_MINUTES):
            for row in await self._counts.counted(at, min(at + _HOUR_MINUTES, end)):
                for client in {0, max(row.client_id, 0)}:
                    sums = requests.setdefault(client, [0, 0, 0])
                    for place, count in enumerate((row.good, row.bad, row.excluded)):
                        sums[place] += count
        figures = dict(await self._figures.availabilities(span))
        for client in {0, *requests, *incident.clients} - figures.keys():
            figures[client] = await self._figures.availability(client or None, span)
        shown = sorted({0, *requests, *incident.clients})
        return [
            Counted(client, _requests(requests.get(client)), figures[client]) for client in shown
        ]

    async def _months(self, span: Span) -> list[MonthCounted]:
        found = []
        for name in dict.fromkeys(write_instant(edge)[:7] for edge in (span.start, span.end - 1)):
            month = span_of_month(name)
            found.append(
                MonthCounted(
                    name,
                    await self._figures.availability(None, month),
                    await self._figures.availability(None, span.clipped(month)),
                )
            )
        return found


def _requests(sums: Sequence[int] | None) -> Requests:
    good, bad, excluded = sums or (0, 0, 0)
    return Requests(good=good, bad=bad, excluded=excluded)


def _report_clock(clocks: Sequence[IncidentClock]) -> IncidentClock | None:
    """Return the clock of the last resolution; None when nothing is owed."""
    found = [one for one in clocks if one.clock is Clock.INCIDENT_REPORT]
    return found[-1] if found and found[-1].over_at is None else None


def _lines(clocks: Sequence[IncidentClock], now_s: int) -> list[ClockLine]:
    lines = []
    for one in clocks:
        outcome, due = one.outcome(now_s), one.story.due
        if one.clock not in _CLOCKS or outcome is None or due is None:
            continue
        # One that nobody has to answer any more did not stop by an answer.
        if one.over_at is None or outcome is Outcome.MISSED:
            lines.append(
                ClockLine(
                    clock=_CLOCKS[one.clock],
                    due=one.story.missed_at or due,
                    stopped=one.story.answered_at,
                    standing=_STANDINGS[outcome],
                )
            )
    return lines


def _revision(number: int) -> str:
    return f"revision {number}"


def _is_noted(incident: Incident, report: Report) -> bool:
    """Whether the incident's history knows of everything that was published."""
    if not report.published:
        return True
    said = _revision(report.published[-1].revision)
    return any(one.step is Step.REPORTED and one.text == said for one in incident.history)


def _time(text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_instant(text)
    except InstantError as error:
        raise InputError(str(error)) from error
