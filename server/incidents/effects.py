"""What incidents say about availability: what was confirmed, and what was amended. Pure.

An incident that names clients counts for these alone: what all together lost is measured, and an
incident of everybody's counts for everybody. An amendment counts for those who were named when it
was made: whoever names others afterwards amends nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple

from server.incidents.components import Component
from server.incidents.intervals import Span
from server.incidents.record import Affected, Amendment, Incident, Loss, State


class Effect(NamedTuple):
    """losses: as confirmed; amendments: as they were made, of which the last one holds."""

    losses: tuple[Loss, ...]
    amendments: tuple[Amendment, ...]


def effect(incidents: Iterable[Incident], component: Component, client_id: int | None) -> Effect:
    """Return what incidents say about a client, or with None about all clients together.

    What was confirmed of an incident that was dismissed since does not count, what was amended
    does: it says what is to count instead of what was measured.
    """
    losses: list[Loss] = []
    amended: list[tuple[int, int, Amendment]] = []
    for incident in incidents:
        if incident.component is not component:
            continue
        if incident.state is not State.DISMISSED and _concerns(incident.clients, client_id):
            losses += incident.losses
        clients: tuple[int, ...] = ()
        for record in incident.history:
            if isinstance(record.detail, Affected):
                clients = record.detail.clients
            elif isinstance(record.detail, Amendment) and _concerns(clients, client_id):
                amended.append((record.at_us, incident.incident_id, record.detail))
    # By time, and of those of one microsecond as they stand in their histories.
    ordered = sorted(amended, key=lambda one: one[:2])
    return Effect(tuple(losses), tuple(amendment for _, _, amendment in ordered))


def reach(incident: Incident) -> tuple[int, int | None] | None:
    """Return from when to when an incident has such an effect, None when it has none.

    The end is None while a loss is open.
    """
    spans: list[tuple[int, int | None]] = [(loss.start, loss.end) for loss in incident.losses]
    spans += [(amendment.start, amendment.end) for amendment in incident.amendments]
    if not spans:
        return None
    ends = [end for _, end in spans if end is not None]
    return min(start for start, _ in spans), max(ends) if len(ends) == len(spans) else None


def touches(incident: Incident, span: Span) -> bool:
    """Whether an incident says something about any second of a span."""
    found = reach(incident)
    if found is None:
        return False
    start, end = found
    return start < span.end and (end is None or end > span.start)


def _concerns(clients: tuple[int, ...], client_id: int | None) -> bool:
    return not clients or client_id in clients
