"""Maintenance as the journal tells of it."""

from server.incidents.instants import write_instant
from server.journal.acts import State, Subject
from server.maintenance.plan import Maintenance


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
