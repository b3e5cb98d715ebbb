"""The feed of announced maintenance as iCalendar (RFC 5545), written by the `icalendar` library.

UIDs never change, SEQUENCE grows with each change of what was announced, what was called off stays
as STATUS:CANCELLED, times are UTC. The same maintenance makes the same octets, so that a cache can
tell by a hash that nothing is new.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from server.incidents.instants import write_instant
from server.incidents.intervals import Span
from server.maintenance.plan import Component, Maintenance, Record, State, Step

if TYPE_CHECKING:
    from icalendar import Event

MEDIA_TYPE = "text/calendar"
_SPACE = uuid.UUID("b57cf3b1-8b30-5a34-9c7b-3d3f7c1a6f0e")
_US: Final = 1_000_000
_NAMES = {
    Component.VALIDATION: "Validation",
    Component.UPLOAD: "Upload",
    Component.API_KEYS: "API keys",
    Component.PROVISIONING: "Provisioning",
}


def write_calendar(maintenances: Iterable[Maintenance]) -> bytes:
    """Return the calendar of what was announced; drafts are left out."""
    # Late: it takes a tenth of a second, which no start needs to wait for.
    from icalendar import Calendar  # noqa: PLC0415

    calendar = Calendar()
    calendar.add("prodid", "-//Keystead//Maintenance//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Maintenance")
    for maintenance in maintenances:
        if maintenance.public:
            calendar.add_component(_event(maintenance))
    octets: bytes = calendar.to_ical()
    return octets


def _event(maintenance: Maintenance) -> "Event":
    from icalendar import Event  # noqa: PLC0415 - see above

    public = maintenance.public
    component, title, span = maintenance.plan
    last = _moment(public[-1].at_us // _US)
    event = Event()
    event.add("uid", _uid(maintenance))
    event.add("sequence", sum(record.step in {Step.CHANGE, Step.CANCEL} for record in public))
    event.add("dtstamp", last)
    event.add("created", _moment(public[0].at_us // _US))
    event.add("last-modified", last)
    event.add("dtstart", _moment(span.start))
    event.add("dtend", _moment(span.end))
    event.add("summary", f"{_NAMES[component]}: {title}")
    event.add("description", "\n".join(map(_told, public)))
    event.add("categories", ["Maintenance", _NAMES[component]])
    cancelled = maintenance.state is State.CANCELLED
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    return event


def _uid(maintenance: Maintenance) -> str:
    """Return what no other maintenance has, of this installation or of another."""
    return str(uuid.uuid5(_SPACE, f"{maintenance.maintenance_id} {maintenance.history[0].at_us}"))


def _told(record: Record) -> str:
    """Put a step into a line: what was announced before stays readable."""
    at = write_instant(record.at_us // _US)
    if record.step in {Step.ANNOUNCE, Step.CHANGE}:
        return f"{at} {record.step.value}: {_range(record.plan.span)}"
    return f"{at} {record.step.value}"


def _range(span: Span) -> str:
    return f"{write_instant(span.start)} to {write_instant(span.end)}"


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
