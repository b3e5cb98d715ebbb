"""An incident as the journal, the ledger and whoever reads facts are told of it. Pure."""

from collections.abc import Sequence

from server.facts import NewFact
from server.incidents.record import Incident, Record, Update
from server.incidents.record_json import write_record
from server.incidents.reminders import Reminder
from server.incidents.states import Step
from server.journal.acts import Json, State, Subject
from server.ledger.entry import Kind, NewEntry

_FACTS = {
    Step.OPENED: "incident.opened",
    Step.ACKNOWLEDGED: "incident.acknowledged",
    Step.UPDATE: "incident.updated",
    Step.ASSIGNED: "incident.severity",
    Step.CONFIRMED: "incident.confirmed",
    Step.AFFECTED: "incident.affected",
    Step.MITIGATED: "incident.mitigated",
    Step.WORSENED: "incident.worsened",
    Step.RESOLVED: "incident.resolved",
    Step.REOPENED: "incident.reopened",
    Step.DISMISSED: "incident.dismissed",
    Step.AMENDED: "incident.amended",
    Step.REPORTED: "incident.reported",
}
"""What others hear of. Notes are for those who look."""


def incident_subject(incident_id: int) -> Subject:
    """Return an incident as the subject of an act."""
    return Subject("incident", str(incident_id))


def incident_state(incident: Incident) -> State:
    """Return what holds of it."""
    return {
        "component": incident.component.value,
        "title": incident.title,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "records": len(incident.history),
    }


def facts(before: Sequence[Record], after: Incident) -> list[NewFact]:
    """Return the facts of the records that an incident has beyond `before`, each as of its time."""
    found = []
    for number in range(len(before), len(after.history)):
        record = after.history[number]
        kind = _FACTS.get(record.step)
        if kind is not None:
            then = after._replace(history=after.history[: number + 1])
            found.append(NewFact(kind, str(after.incident_id), _detail(then, record)))
    return found


def reminder_fact(reminder: Reminder, incident: Incident) -> NewFact:
    """Return the fact of a clock that will soon be due, or was missed."""
    more: dict[str, Json] = {"clock": reminder.clock.value, "due_s": reminder.due}
    kind = f"incident.{reminder.moment.value}"
    return NewFact(kind, str(incident.incident_id), {**_standing(incident), **more})


def entries(before: Sequence[Record], after: Incident) -> list[NewEntry]:
    """Return the ledger's entries of the records that an incident has beyond `before`."""
    return [
        NewEntry(
            Kind.AMENDMENT if record.step is Step.AMENDED else Kind.INCIDENT,
            str(after.incident_id),
            {"number": number, "record": write_record(record)},
        )
        for number, record in enumerate(after.history[len(before) :], len(before) + 1)
    ]


def _detail(then: Incident, record: Record) -> State:
    """Return a fact's detail. text: only what is for everybody; by: never shown to the public."""
    public = isinstance(record.detail, Update) and record.detail.public
    return {
        **_standing(then),
        "at_us": record.at_us,
        "by": f"{record.author.kind.value} {record.author.name}",
        "by_person": record.author.is_person,
        "told_to_all": public,
        "text": record.text if public else "",
    }


def _standing(incident: Incident) -> dict[str, Json]:
    return {
        "title": incident.title,
        "component": incident.component.value,
        "origin": incident.origin.value,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "public": incident.public,
        "reported_us": incident.reported_us,
        "clients": list(incident.clients),
        "customer": incident.opening.customer,
    }
