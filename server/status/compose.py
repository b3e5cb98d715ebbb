"""Incidents and maintenance as everybody may know them: what is not public stays behind. Pure."""

from collections.abc import Iterable

from server.incidents.record import Incident
from server.maintenance.plan import Maintenance
from server.status.snapshot import PublicIncident, Update, Work, WorkStep


def public_incident(incident: Incident) -> PublicIncident | None:
    """Return what everybody may know of an incident, None when that is nothing."""
    told = incident.public_updates
    if not told:
        return None
    return PublicIncident(
        reference=str(incident.incident_id),
        component=incident.component,
        title=incident.title,
        state=incident.state,
        severity=incident.severity,
        reported_us=incident.reported_us,
        resolved_us=incident.resolved_us,
        updates=tuple(Update(one.at_us, one.state, one.text) for one in told),
    )


def public_incidents(incidents: Iterable[Incident]) -> tuple[PublicIncident, ...]:
    """Return the public ones of them, the newest first."""
    public = [one for one in map(public_incident, incidents) if one is not None]
    public.sort(key=lambda one: (-one.reported_us, one.reference))
    return tuple(public)


def public_work(maintenance: Maintenance) -> Work | None:
    """Return a maintenance since its announcement, None while it is a draft."""
    steps = tuple(
        WorkStep(record.step.value, record.at_us, record.plan.title, record.plan.span)
        for record in maintenance.public
    )
    if not steps:
        return None
    plan, state = maintenance.plan, maintenance.state
    return Work(maintenance.maintenance_id, plan.component, state, steps)


def public_works(maintenances: Iterable[Maintenance]) -> tuple[Work, ...]:
    """Return those that were announced, the newest window first."""
    public = [one for one in map(public_work, maintenances) if one is not None]
    public.sort(key=lambda one: (-one.span.start, -one.maintenance_id))
    return tuple(public)
