"""Who hears of what. Pure.

Subscribers hear of the topics they want; who is on call, of clocks; customers with the validation
add-on, of maintenance and of what is public of incidents that affect them. Whoever is to be called
about a new incident is found by the rota (`calls`), one after the other; who hears of a report
that was published, by `report_telling`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.accounts.customer_ports import ContactKind
from server.facts import Fact
from server.incidents.record import Incident, Update
from server.incidents.states import State, Step
from server.notices.board import Board
from server.notices.board_tables import Reachable
from server.notices.delivery import CALL, TEST, Notice, Recipient, Role, Subject
from server.notices.sending import Way
from server.notices.words import (
    CLOCK_WORDS,
    FLEET_WORDS,
    INCIDENT_WORDS,
    MAINTENANCE_WORDS,
    REPORT_PUBLISHED,
    TOLD,
    Wording,
    for_a_call,
    for_a_test,
    for_customers,
    for_insiders,
)
from server.oncall.escalation import who_is_called

_US = 1_000_000

_FOR_CUSTOMERS = frozenset(
    {
        "incident.opened",
        "incident.acknowledged",
        "incident.updated",
        "incident.mitigated",
        "incident.worsened",
        "incident.resolved",
        "incident.reopened",
        "incident.dismissed",
        "maintenance.announced",
        "maintenance.changed",
        "maintenance.cancelled",
    }
)


_FOR_ON_CALL = frozenset({*CLOCK_WORDS, "fleet.lost-key-seen"})
"""What whoever is on call hears of besides calls: of keys, what is a danger."""

FOR_INCIDENTS = (ContactKind.INCIDENT, ContactKind.SUPPORT)
FOR_REPORTS = (ContactKind.SUPPORT, ContactKind.INCIDENT)
"""Whom a customer's notices are for: contacts of the second kind where nobody is of the first."""


class Customer(NamedTuple):
    """A customer with the validation add-on. contacts: numbers and e-mail addresses.

    Those of the first kind that was asked for (FOR_INCIDENTS, FOR_REPORTS) and that anybody is of.
    """

    customer_id: int
    client_ids: frozenset[int]
    contacts: tuple[tuple[int, str], ...]


def is_told(fact: Fact) -> bool:
    """Whether anybody is ever told of such a fact."""
    return fact.fact.kind in TOLD or fact.fact.kind == REPORT_PUBLISHED


def notices(
    fact: Fact, board: Board, customers: Iterable[Customer], incident: Incident | None
) -> list[Notice]:
    """Return what is told of one fact. incident: the one it is about, as it is now."""
    kind = fact.fact.kind
    if kind not in TOLD:
        return []
    topic = "clocks" if kind in CLOCK_WORDS else kind.partition(".")[0]
    topic = {"incident": "incidents"}.get(topic, topic)
    inside = for_insiders(fact)
    told = [
        recipient
        for one in board.subscribers.values()
        if topic in one.wants
        for recipient in ways(Role.SUBSCRIBER, one)
    ]
    if kind in _FOR_ON_CALL and board.rota is not None:
        told += ways(Role.PERSON, board.people[board.rota.on_call(fact.time_us // _US)])
    found = [notice_of(fact, recipient, inside) for recipient in told]
    words = _customers_words(fact, incident)
    if words is not None:
        found += [
            notice_of(fact, recipient, words)
            for customer in customers
            if _affects(fact, customer)
            for recipient in contacts_of(customer)
        ]
    return found


def calls(incident: Incident, board: Board, now_us: int) -> list[Notice]:
    """Return the newest call to each person that was due by now about an incident, made or not.

    One each: who comes back to a service that was away, or hears of an incident that began long
    ago, is not called for every step that went by.
    """
    opened_us, answered_us = since_opened(incident)
    if board.rota is None or not is_unanswered(incident):
        return []
    due = who_is_called(
        board.rota,
        board.escalation,
        severity=incident.severity,
        opened_at=opened_us // _US,
        now=now_us // _US,
        acknowledged_at=None if answered_us is None else answered_us // _US,
        hours=board.hours,
    )
    found = []
    for call in {call.person: call for call in due}.values():
        wording = for_a_call(incident, call)
        key = f"{CALL} {incident.incident_id} {opened_us} {call.step}"
        subject = Subject("incident", str(incident.incident_id))
        found += [
            Notice(key, CALL, subject, recipient, call.at * _US, *wording)
            for recipient in ways(Role.PERSON, board.people[call.person])
        ]
    return found


def tests(board: Board, name: str, now_us: int, key: str) -> list[Notice]:
    """Return a test for everybody of that name on the board; LookupError for nobody."""
    told: list[Recipient] = []
    if name in board.people:
        told += ways(Role.PERSON, board.people[name])
    if name in board.subscribers:
        told += ways(Role.SUBSCRIBER, board.subscribers[name])
    if not told:
        raise LookupError(f"nobody on the notice board is called {name}")
    wording = for_a_test(name, now_us)
    return [
        Notice(f"{TEST} {key}", TEST, Subject(TEST, name), recipient, now_us, *wording)
        for recipient in told
    ]


def is_unanswered(incident: Incident) -> bool:
    """Whether people are to be called about it: it is open, and no person has answered."""
    return incident.state is State.OPEN and since_opened(incident)[1] is None


def since_opened(incident: Incident) -> tuple[int, int | None]:
    """Return when it became open last, and when a person answered since (microseconds).

    What was dismissed and is open again is called for anew.
    """
    opened_us, answered_us = incident.reported_us, None
    for record in incident.history:
        if record.step in {Step.OPENED, Step.REOPENED}:
            # From when it was reported: a report that came late is not to wait once more.
            is_first = record.step is Step.OPENED
            opened_us, answered_us = (incident.reported_us if is_first else record.at_us), None
        elif (
            answered_us is None
            and record.step in {Step.ACKNOWLEDGED, Step.UPDATE}
            and record.author.is_person
        ):
            answered_us = record.at_us
    return opened_us, answered_us


def opening_of(incident: Incident) -> int:
    """Return how often an incident was opened again."""
    return sum(record.step is Step.REOPENED for record in incident.history)


def ways(role: Role, told: Reachable) -> list[Recipient]:
    """Return every way by which somebody on the board is told."""
    found = []
    if told.email is not None:
        found.append(Recipient(role, told.name, Way.EMAIL, told.email))
    if told.webhook is not None:
        found.append(Recipient(role, told.name, Way.WEBHOOK, told.webhook))
    return found


def notice_of(fact: Fact, recipient: Recipient, wording: Wording) -> Notice:
    """Return what tells somebody of a fact, once."""
    kind, number, _ = fact.fact
    # The ledger names the subject, and others read that: a key's id may be its number.
    about = str(fact.position) if kind in FLEET_WORDS else number
    subject = Subject(kind.partition(".")[0], about)
    return Notice(f"fact {fact.position}", kind, subject, recipient, fact.time_us, *wording)


def _customers_words(fact: Fact, incident: Incident | None) -> Wording | None:
    """Return what customers are told, None when it is not for them."""
    kind, _, detail = fact.fact
    if kind not in _FOR_CUSTOMERS:
        return None
    if kind in MAINTENANCE_WORDS:
        return for_customers(fact, "")
    text = str(detail.get("text") or "")
    if kind == "incident.updated" and not detail.get("told_to_all"):
        # Told to those it concerns, and not to everybody: their clients are named.
        if not detail.get("clients"):
            return None
        return for_customers(fact, _update_text(incident, detail.get("at_us")))
    return for_customers(fact, text) if detail.get("public") else None


def _update_text(incident: Incident | None, at_us: object) -> str:
    history = () if incident is None else incident.history
    texts = (
        record.text
        for record in history
        if record.at_us == at_us and isinstance(record.detail, Update)
    )
    return next(texts, "")


def _affects(fact: Fact, customer: Customer) -> bool:
    return fact.fact.kind not in INCIDENT_WORDS or concerns(fact, customer)


def concerns(fact: Fact, customer: Customer) -> bool:
    """Whether an incident is a customer's: one that names no clients is everybody's."""
    clients = fact.fact.detail.get("clients")
    if not isinstance(clients, Sequence) or not clients:
        return True
    return not customer.client_ids.isdisjoint(clients)


def contacts_of(customer: Customer) -> list[Recipient]:
    """Return whom a customer's notices go to."""
    return [
        Recipient(Role.CONTACT, str(number), Way.EMAIL, email, customer.customer_id)
        for number, email in customer.contacts
    ]
