"""Reports as the journal, the ledger and the outbox tell of them."""

import hashlib

from server.facts import NewFact
from server.incidents.instants import write_instant
from server.journal.acts import State, Subject
from server.journal.canonical import canonical
from server.ledger.entry import Kind, NewEntry
from server.reports.regulatory import RegulatoryRecord, RegulatoryReminder, RegulatoryStep
from server.reports.revisions import ReportRecord, ReportStep


def report_subject(incident_id: int) -> Subject:
    """Return an incident's report as the subject of an act."""
    return Subject("incident-report", str(incident_id))


def regulatory_subject(incident_id: int) -> Subject:
    """Return what is told to authorities of an incident as the subject of an act."""
    return Subject("incident-regulatory", str(incident_id))


def report_state(record: ReportRecord | None) -> State | None:
    """Return what holds of a report: its content is too much for a journal, its digest is not."""
    if record is None:
        return None
    digest = hashlib.sha256(canonical(record.analysis.state())).hexdigest()
    return {"step": record.step.value, "revision": record.revision, "sha256": digest}


def report_entries(incident_id: int, record: ReportRecord) -> list[NewEntry]:
    """Return what the ledger gets to hold: everything that was published, as it was."""
    if record.step is not ReportStep.PUBLISHED:
        return []
    payload: State = {
        "report": "incident-analysis",
        "incident": incident_id,
        "revision": record.revision,
        "reason": record.reason,
        "analysis": record.analysis.state(),
    }
    return [NewEntry(Kind.REPORT, str(incident_id), payload)]


def report_facts(incident_id: int, record: ReportRecord) -> list[NewFact]:
    """Return what jobs get to know: that there is something to tell customers."""
    if record.step is not ReportStep.PUBLISHED:
        return []
    facts = record.analysis.facts
    detail: State = {
        "title": facts.title,
        "component": facts.component,
        "severity": facts.severity,
        "revision": record.revision,
        "clients": list(facts.clients),
    }
    return [NewFact("incident.report-published", str(incident_id), detail)]


def regulatory_state(record: RegulatoryRecord | None) -> State | None:
    """Return one step that was written down. Texts may hold anything: they stay in the store."""
    if record is None:
        return None
    return {
        "regime": record.regime.value,
        "step": record.step.value,
        "stage": record.stage,
        "when": write_instant(record.when_s),
        "aware": None if record.aware_s is None else write_instant(record.aware_s),
    }


def regulatory_entries(incident_id: int, record: RegulatoryRecord) -> list[NewEntry]:
    """Return what the ledger gets to hold: that it was classified, sent, withdrawn, and when."""
    payload = {
        "report": "regulatory",
        "incident": incident_id,
        **(regulatory_state(record) or {}),
        "text": record.text,
    }
    return [NewEntry(Kind.REPORT, str(incident_id), payload)]


def regulatory_facts(incident_id: int, record: RegulatoryRecord) -> list[NewFact]:
    """Return what jobs get to know: clocks began, stopped, or are gone."""
    verb = {
        RegulatoryStep.CLASSIFIED: "regulatory.classified",
        RegulatoryStep.SENT: "regulatory.sent",
        RegulatoryStep.WITHDRAWN: "regulatory.withdrawn",
    }[record.step]
    detail: State = {"regime": record.regime.value, "stage": record.stage}
    return [NewFact(verb, str(incident_id), detail)]


def reminder_fact(reminder: RegulatoryReminder) -> NewFact:
    """Return what jobs get to know of a clock that will soon be due, or was missed."""
    detail: State = {
        "regime": reminder.regime.value,
        "stage": reminder.stage,
        "due_s": reminder.due,
    }
    return NewFact(f"regulatory.{reminder.moment.value}", str(reminder.incident_id), detail)
