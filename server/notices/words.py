"""What is told, in words: to people on call, to those inside, and to customers. Pure.

Customers read what is public and nothing else; whoever is inside reads who did it as well.
"""

from collections.abc import Mapping
from typing import NamedTuple

from server.facts import Fact
from server.incidents.instants import write_instant
from server.incidents.record import Incident
from server.incidents.severity import Severity
from server.journal.acts import Json, State
from server.notices.message import one_line
from server.oncall.escalation import Call

_US = 1_000_000


CUSTOMERS_REPORT = "report.customer"
"""The occasion of a customer's report on their months."""


class Written(NamedTuple):
    """A customer's report on months like 2026-10, as the text of an e-mail."""

    title: str
    text: str
    first: str
    last: str


class Wording(NamedTuple):
    """A message without its recipient. words: the subject line; payload: for programs."""

    words: str
    text: str
    payload: State


INCIDENT_WORDS: Mapping[str, str] = {
    "incident.opened": "opened",
    "incident.acknowledged": "somebody works on it",
    "incident.updated": "update",
    "incident.severity": "has another severity",
    "incident.affected": "concerns other clients",
    "incident.mitigated": "mitigated",
    "incident.worsened": "worse again",
    "incident.resolved": "resolved",
    "incident.reopened": "reopened",
    "incident.dismissed": "dismissed: it was none",
}
CLOCK_WORDS: Mapping[str, str] = {
    "incident.clock-soon": "a clock is due soon",
    "incident.clock-missed": "a clock was missed",
}
MAINTENANCE_WORDS: Mapping[str, str] = {
    "maintenance.announced": "announced",
    "maintenance.changed": "changed",
    "maintenance.cancelled": "called off",
    "maintenance.begun": "has begun",
    "maintenance.finished": "is over",
}
FLEET_WORDS: Mapping[str, str] = {
    "fleet.key-shared": "hosts of several persons saw one key",
    "fleet.lost-key-seen": "a host saw a key that was called lost",
}
TOLD = {**INCIDENT_WORDS, **CLOCK_WORDS, **MAINTENANCE_WORDS, **FLEET_WORDS}
"""Every kind of fact that somebody is told of, and how it is put; but for REPORT_PUBLISHED."""

REPORT_PUBLISHED = "incident.report-published"
"""Told with the report itself, and in place of the step of the incident that notes it."""


def for_insiders(fact: Fact) -> Wording:
    """Return what subscribers and people on call are told of a fact."""
    kind, number, detail = fact.fact
    if kind in MAINTENANCE_WORDS:
        return _of_maintenance(fact)
    if kind in FLEET_WORDS:
        return _of_fleet(fact)
    head = f"Sev {detail['severity']}, incident {number}: {TOLD[kind]} - {detail['title']}"
    lines = [
        f"Incident {number}, {detail['component']}: {detail['title']}",
        f"{TOLD[kind].capitalize()} at {_moment(detail.get('at_us', fact.time_us))}.",
        "",
        f"Severity: {detail['severity']}",
        f"State: {detail['state']}",
    ]
    if detail.get("by"):
        lines.append(f"By: {detail['by']}")
    if detail.get("clock"):
        lines.append(f"Clock: {detail['clock']}, due {_instant(detail.get('due_s'))}")
    if detail.get("text"):
        lines += ["", str(detail["text"])]
    lines += ["", f"keystead incident show {number}"]
    data = {name: detail[name] for name in sorted(detail)}
    return _wording(head, lines, kind, fact.time_us, {"incident": int(number), **data})


def for_customers(fact: Fact, text: str) -> Wording:
    """Return what customers are told of a fact. text: of an update, for them."""
    kind, number, detail = fact.fact
    if kind in MAINTENANCE_WORDS:
        return _of_maintenance(fact)
    head = f"Incident {number}: {TOLD[kind]} - {detail['title']}"
    at_us = detail.get("at_us", fact.time_us)
    name = _NAMES.get(str(detail["component"]), "the service")
    lines = [
        f"Incident {number} of {name}: {detail['title']}",
        f"{TOLD[kind].capitalize()} at {_moment(at_us)}.",
        "",
        f"State: {detail['state']}",
    ]
    if text:
        lines += ["", text]
    data: dict[str, Json] = {key: detail[key] for key in ("component", "state", "title")}
    return _wording(
        head, lines, kind, fact.time_us, {"incident": int(number), "text": text, **data}
    )


def for_a_report(fact: Fact, reference: str, text: str) -> Wording:
    """Return what is told of an incident analysis report. reference: where programs find it.

    text: the report, "" where the reference is enough.
    """
    kind, number, detail = fact.fact
    revision = detail["revision"]
    what = "the incident analysis report"
    if revision != 1:
        what = f"revision {revision} of {what}"
    name = _NAMES.get(str(detail["component"]), "the service")
    lines = [
        f"Incident {number} of {name}: {detail['title']}",
        f"{what[0].upper()}{what[1:]} was published at {_moment(fact.time_us)}.",
        "",
        text.rstrip("\n") or reference,
    ]
    data: dict[str, Json] = {key: detail[key] for key in ("component", "revision", "title")}
    return _wording(
        f"Incident {number}: {what} is published - {detail['title']}",
        lines,
        kind,
        fact.time_us,
        {"incident": int(number), "report": reference, **data},
    )


def for_a_customers_report(customer_id: int, written: Written, now_us: int) -> Wording:
    """Return what a customer is sent of their own months: the report as it was written."""
    data: dict[str, Json] = {
        "customer": customer_id,
        "first": written.first,
        "last": written.last,
    }
    return _wording(written.title, [written.text.rstrip("\n")], CUSTOMERS_REPORT, now_us, data)


def for_a_call(incident: Incident, call: Call) -> Wording:
    """Return what somebody is told who is called. The link is added when it is sent."""
    number = incident.incident_id
    step = "first call" if call.step == 0 else f"call {call.step + 1}, nobody has answered"
    head = f"Sev {incident.severity.value}, incident {number}: {step} - {incident.title}"
    lines = [
        f"Incident {number}, {incident.component.value}: {incident.title}",
        "",
        f"Severity: {incident.severity.value} ({_response(incident.severity)})",
        f"Reported: {_moment(incident.reported_us)}",
        f"Found by: {incident.origin.value}",
        f"You are called because nobody has acknowledged it ({step}).",
        "",
        f"keystead incident acknowledge {number}",
    ]
    data: dict[str, Json] = {
        "incident": number,
        "component": incident.component.value,
        "title": incident.title,
        "severity": incident.severity.value,
        "person": call.person,
        "step": call.step,
        "reported_us": incident.reported_us,
    }
    return _wording(head, lines, "incident.call", call.at * _US, data)


def link_words(url: str, expires_s: int) -> str:
    """Return what is said of a link to acknowledge by."""
    return (
        "Acknowledge with the button on this page; opening it alone acknowledges nothing:\n"
        f"{url}\n"
        f"It is yours alone, so do not pass it on, and works until {write_instant(expires_s)}.\n"
    )


def for_a_test(name: str, now_us: int) -> Wording:
    """Return a message that only shows whether messages arrive."""
    text = f"This is a test for {name}, sent at {_moment(now_us)}. Nothing has happened."
    return _wording("Test of notices", [text], "notice.test", now_us, {"name": name})


_NAMES = {
    "validation": "Validation",
    "upload": "Upload",
    "api-keys": "API keys",
    "provisioning": "Provisioning",
}


def _of_maintenance(fact: Fact) -> Wording:
    kind, number, detail = fact.fact
    name = _NAMES.get(str(detail["component"]), "the service")
    head = f"Maintenance of {name} {TOLD[kind]}: {detail['title']}"
    lines = [
        f"Maintenance {number} of {name} {TOLD[kind]}: {detail['title']}",
        "",
        f"From: {detail['start']}",
        f"To: {detail['end']}",
        f"Told at: {_moment(fact.time_us)}",
    ]
    if kind == "maintenance.cancelled":
        lines += ["", "It does not take place."]
    data = {key: detail[key] for key in ("component", "title", "start", "end", "state")}
    return _wording(head, lines, kind, fact.time_us, {"maintenance": int(number), **data})


def _of_fleet(fact: Fact) -> Wording:
    """Return what is told of a key. Hosts are named by their ids, and persons not at all."""
    kind, key_id, detail = fact.fact
    others = detail.get("with")
    lines = [
        f"{FLEET_WORDS[kind].capitalize()}: {key_id}",
        "",
        f"Host: {detail['host']}",
        *(f"Also seen by: {one}" for one in (others if isinstance(others, list) else ())),
        f"Told at: {_moment(fact.time_us)}",
        "",
        f"keystead fleet key {key_id}",
    ]
    data: dict[str, Json] = {"key": key_id, **detail}
    return _wording(f"Fleet: {FLEET_WORDS[kind]}", lines, kind, fact.time_us, data)


def _response(severity: Severity) -> str:
    within = {
        Severity.SEV_1: "a response is due within 15 minutes",
        Severity.SEV_2: "a response is due within 2 hours",
        Severity.SEV_3: "a response is due within a Business Day",
        Severity.SEV_4: "a response is due within two Business Days",
    }
    return within[severity]


def _wording(
    head: str, lines: list[str], kind: str, time_us: int, data: Mapping[str, Json]
) -> Wording:
    payload: State = {"type": kind, "timestamp": _moment(time_us), "data": data}
    return Wording(one_line(f"[Keystead] {head}"), "\n".join([*lines, ""]), payload)


def _moment(time_us: Json) -> str:
    return write_instant(time_us // _US) if isinstance(time_us, int) else "an unknown time"


def _instant(seconds: Json) -> str:
    return write_instant(seconds) if isinstance(seconds, int) else "at an unknown time"
