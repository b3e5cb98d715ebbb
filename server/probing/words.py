"""What the prober tells people, in words. Pure."""

from server.incidents.instants import write_instant
from server.incidents.record import Record, Step
from server.journal.acts import Json, State
from server.notices.message import Message, one_line
from server.oncall.escalation import Call
from server.probing.vigil import Local

_US = 1_000_000


def call_message(
    local: Local, call: Call, *, due: int | None, link: str, message_id: str
) -> Message:
    """Return what somebody is told who is called. due: the response's; link: "" for none."""
    incident = local.incident
    which = "first call" if call.step == 0 else f"call {call.step + 1}, nobody has answered"
    severity = incident.severity.value
    lines = [
        incident.title,
        "",
        incident.history[0].text,
        f"Severity {severity}, noticed at {_moment(incident.reported_us)}.",
        "" if due is None else f"The response is due at {write_instant(due)}.",
        f"You are called because nobody has acknowledged it ({which}).",
        "",
        _how(link),
    ]
    data: dict[str, Json] = {
        "reference": local.reference,
        "component": incident.component.value,
        "title": incident.title,
        "severity": severity,
        "person": call.person,
        "step": call.step,
        "reported_us": incident.reported_us,
    }
    subject = f"Sev {severity}: {incident.title} - {which}"
    text = "\n".join(lines) + "\n"
    payload = _payload("incident.call", call.at, data)
    return Message(message_id, _thread(local), one_line(subject), text, payload)


def record_message(local: Local, record: Record, message_id: str) -> Message:
    """Return what subscribers are told of a record: an opening, an acknowledgement, an update."""
    incident = local.incident
    told = {Step.OPENED: "opened", Step.ACKNOWLEDGED: "somebody works on it"}
    what = told.get(record.step, "update")
    subject = f"Sev {incident.severity.value}: {incident.title} - {what}"
    lines = [incident.title, f"{what.capitalize()} at {_moment(record.at_us)}.", "", record.text]
    data: dict[str, Json] = {
        "reference": local.reference,
        "component": incident.component.value,
        "title": incident.title,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "text": record.text,
    }
    kind = "incident.updated" if record.step is Step.UPDATE else f"incident.{record.step.value}"
    text = "\n".join(lines).rstrip() + "\n"
    payload = _payload(kind, record.at_us // _US, data)
    return Message(message_id, _thread(local), one_line(subject), text, payload)


def _how(link: str) -> str:
    by_command = "keystead probe ack --config FILE --as NAME"
    if not link:
        return f"Acknowledge on the prober's host: {by_command}"
    return (
        "Acknowledge with the button on this page; opening it alone acknowledges nothing:\n"
        f"{link}\n"
        "It is yours alone, so do not pass it on. Or on the prober's host:\n"
        f"{by_command}"
    )


def _payload(kind: str, at: int, data: State) -> State:
    return {"type": kind, "timestamp": write_instant(at), "data": dict(data)}


def _thread(local: Local) -> str:
    return f"incident-{local.reference}"


def _moment(at_us: int) -> str:
    return write_instant(at_us // _US)
