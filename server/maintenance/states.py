"""Maintenance as the journal and the ledger tell of it."""

from server.facts import NewFact
from server.incidents.instants import write_instant
from server.journal.acts import State, Subject
from server.journal.moments import format_moment
from server.maintenance.plan import Maintenance, Record


def maintenance_subject(maintenance_id: int) -> Subject:
    """Return a maintenance as the subject of an act."""
    return Subject("maintenance", str(maintenance_id))


def maintenance_state(maintenance: Maintenance) -> State:
    """Return what holds of it."""
    component, title, span = maintenance.plan
    return {
        "component": component.value,
        "title": title,
        "start": write_instant(span.start),
        "end": write_instant(span.end),
        "state": maintenance.state.value,
    }


def record_payload(record: Record) -> State:
    """Return one step of its history: with all of them everybody can tell what counts."""
    component, title, span = record.plan
    return {
        "step": record.step.value,
        "at": format_moment(record.at_us),
        "component": component.value,
        "title": title,
        "start": write_instant(span.start),
        "end": write_instant(span.end),
    }


def record_fact(maintenance: Maintenance, record: Record) -> NewFact | None:
    """Return one of its steps as a fact, None of what nobody outside knows of."""
    if record not in maintenance.public:
        return None
    component, title, span = record.plan
    detail = {
        "component": component.value,
        "title": title,
        "start": write_instant(span.start),
        "end": write_instant(span.end),
        "state": maintenance.state.value,
    }
    return NewFact(f"maintenance.{record.step.value}", str(maintenance.maintenance_id), detail)
