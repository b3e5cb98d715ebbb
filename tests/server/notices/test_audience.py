"""Who hears of what, in which words: customers what is public, insiders the rest as well."""

import pytest

from server.facts import Fact, NewFact
from server.journal.acts import State
from server.notices.audience import Customer, notices
from server.notices.board import Board
from server.notices.delivery import Notice, Role, Subject
from server.notices.words import TOLD
from tests.server.notices.boards import BOARD, TEXT

TIME_US = 1_795_262_400_000_000
STANDING: State = {
    "title": "Nobody gets an answer",
    "component": "api-keys",
    "origin": "person",
    "severity": 1,
    "state": "acknowledged",
    "public": True,
    "reported_us": TIME_US,
    "clients": [],
    "customer": None,
    "at_us": TIME_US,
    "by": "operator eve",
    "by_person": True,
    "told_to_all": False,
    "text": "",
}
PLANNED: State = {
    "component": "validation",
    "title": "Database upgrade",
    "start": "2026-12-01T00:00:00Z",
    "end": "2026-12-01T01:00:00Z",
    "state": "announced",
}
SEEN: State = {"host": "0f" * 16, "with": ["1e" * 16]}
CUSTOMERS = [
    Customer(1, frozenset({7}), ((11, "a@x.example"),)),
    Customer(2, frozenset({8, 9}), ((21, "b@x.example"), (22, "c@x.example"))),
    Customer(3, frozenset(), ()),
]


def told(kind: str, board: Board = BOARD, **changed: object) -> list[Notice]:
    detail = PLANNED if kind.startswith("maintenance.") else STANDING
    if kind.startswith("fleet."):
        detail = SEEN
    fact = Fact(5, TIME_US, NewFact(kind, "12", {**detail, **changed}))  # type: ignore[dict-item]
    return notices(fact, board, CUSTOMERS, None)


def names(found: list[Notice], role: Role) -> list[str]:
    return [one.recipient.name for one in found if one.recipient.role is role]


def test_every_kind_that_is_told_has_words_for_people_and_for_programs() -> None:
    for kind in TOLD:
        for one in told(kind, clock="update", due_s=TIME_US // 1_000_000):
            assert one.words.startswith("[Keystead] ")
            assert one.words.isprintable()
            assert one.text.endswith("\n")
            assert one.payload["type"] == kind
            assert one.payload["timestamp"] == "2026-11-21T12:00:00Z"
            assert "None" not in one.words + one.text


def test_customers_hear_what_they_are_to_hear_and_nothing_that_is_inside() -> None:
    for kind in TOLD:
        contacts = names(told(kind), Role.CONTACT)
        inside = kind in {
            "incident.severity",
            "incident.affected",
            "incident.clock-soon",
            "incident.clock-missed",
            "incident.updated",  # of which nothing is told to all
            "maintenance.begun",
            "maintenance.finished",
            "fleet.key-shared",
            "fleet.lost-key-seen",
        }
        assert contacts == ([] if inside else ["11", "21", "22"]), kind
    for one in told("incident.opened"):
        words = one.words + one.text + str(one.payload)
        is_inside = one.recipient.role is not Role.CONTACT
        assert ("eve" in words) is is_inside
        assert ("everity" in words) is is_inside


def test_an_incident_is_told_to_those_whose_clients_it_concerns() -> None:
    assert names(told("incident.opened", clients=[8]), Role.CONTACT) == ["21", "22"]
    assert names(told("incident.opened", clients=[4]), Role.CONTACT) == []
    assert names(told("incident.opened", public=False), Role.CONTACT) == []


def test_an_update_for_all_is_told_with_its_text() -> None:
    found = told("incident.updated", told_to_all=True, text="Zeile 1\nZeile 2")
    contact = next(one for one in found if one.recipient.role is Role.CONTACT)
    assert "Zeile 1\nZeile 2\n" in contact.text
    assert contact.payload["data"]["text"] == "Zeile 1\nZeile 2"  # type: ignore[call-overload,index]


def test_clocks_are_told_to_who_is_on_call_then() -> None:
    found = told("incident.clock-soon", clock="update", due_s=TIME_US // 1_000_000)
    assert names(found, Role.PERSON) == ["cilla"]
    assert "Clock: update, due 2026-11-21T12:00:00Z" in found[0].text


def test_subscribers_hear_of_what_they_want() -> None:
    assert names(told("maintenance.begun"), Role.SUBSCRIBER) == ["ops-room", "planners"]
    assert names(told("incident.opened"), Role.SUBSCRIBER) == ["ops-room"]


def test_a_key_is_told_of_to_who_wants_it_and_its_danger_to_who_is_on_call() -> None:
    wanted = TEXT.replace('wants = ["maintenance"]', 'wants = ["fleet"]')
    board = Board.parse(wanted, "notices.toml")
    shared, lost = told("fleet.key-shared", board), told("fleet.lost-key-seen", board)
    assert [names(shared, role) for role in (Role.SUBSCRIBER, Role.PERSON)] == [["planners"], []]
    assert names(lost, Role.SUBSCRIBER) == ["planners"]
    assert names(lost, Role.PERSON) == ["cilla"]
    assert names(told("fleet.key-shared"), Role.SUBSCRIBER) == []
    assert "Also seen by: " + "1e" * 16 in shared[0].text
    # The ledger names the subject, and is read by others: not the key, whose id is its number.
    assert shared[0].subject == Subject("fleet", "5")


def test_what_nobody_is_told_of_is_told_to_nobody() -> None:
    assert told("key.first_seen") == []
    assert told("incident.confirmed") == []
    assert told("incident.opened", Board.parse("", "x"))[0].recipient.role is Role.CONTACT


def test_a_fact_without_what_it_needs_is_a_fault_that_is_told() -> None:
    fact = Fact(5, TIME_US, NewFact("incident.opened", "12", {}))
    with pytest.raises(KeyError):
        notices(fact, BOARD, [], None)
