"""Reports in memory, for the store that keeps every port there."""

from collections.abc import Mapping, Sequence

from server.facts import NewFact
from server.journal.acts import Act, State, Subject
from server.leases import Lease
from server.reports.regulatory import RegulatoryRecord, RegulatoryReminder
from server.reports.regulatory_steps import RegulatoryDecision, RegulatoryScene
from server.reports.revisions import Report, ReportDecision, Scene
from server.reports.states import (
    regulatory_facts,
    regulatory_state,
    regulatory_subject,
    reminder_fact,
    report_facts,
    report_state,
    report_subject,
)


class MemoryReports:
    """ReportBook on dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._reports: dict[int, Report] = {}
        self._regulatory: dict[int, list[RegulatoryRecord]] = {}
        self._told_of_authorities: set[RegulatoryReminder] = set()

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    def append_facts(self, facts: Sequence[NewFact]) -> None:
        raise NotImplementedError

    def _require(self, lease: Lease) -> None:
        raise NotImplementedError

    async def store_time_us(self) -> int:
        raise NotImplementedError

    async def incident_report(self, incident_id: int) -> Report:
        return self._reports.get(incident_id, Report(incident_id, ()))

    async def continue_report(
        self, incident_id: int, decision: ReportDecision, *, act: Act
    ) -> Report:
        known = await self.incident_report(incident_id)
        now_us = await self.store_time_us()
        added = decision(Scene(now_us, known, str(act.actor), act.reason))
        before = report_state(known.history[-1] if known.history else None)
        self.append_facts(report_facts(incident_id, added))
        self._write_down(act, report_subject(incident_id), before, report_state(added))
        self._reports[incident_id] = known._replace(history=(*known.history, added))
        return self._reports[incident_id]

    async def regulatory_records(self, incident_id: int) -> Sequence[RegulatoryRecord]:
        return list(self._regulatory.get(incident_id, ()))

    async def continue_regulatory(
        self, incident_id: int, reported_us: int, decision: RegulatoryDecision, *, act: Act
    ) -> Sequence[RegulatoryRecord]:
        known = self._regulatory.get(incident_id, [])
        now_us = await self.store_time_us()
        added = decision(RegulatoryScene(now_us, known, reported_us, str(act.actor)))
        before = regulatory_state(known[-1] if known else None)
        self.append_facts(regulatory_facts(incident_id, added))
        self._write_down(act, regulatory_subject(incident_id), before, regulatory_state(added))
        self._regulatory[incident_id] = [*known, added]
        return self._regulatory[incident_id]

    async def all_regulatory(self) -> Mapping[int, Sequence[RegulatoryRecord]]:
        return {number: list(records) for number, records in sorted(self._regulatory.items())}

    async def remind_regulatory(
        self, reminders: Sequence[RegulatoryReminder], lease: Lease | None = None
    ) -> int:
        if lease is not None:
            self._require(lease)
        new = sorted(set(reminders) - self._told_of_authorities, key=lambda one: one[:4])
        self._told_of_authorities |= set(new)
        self.append_facts([reminder_fact(one) for one in new])
        return len(new)
