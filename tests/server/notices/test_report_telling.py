"""A published analysis report reaches whom it concerns, each with their own figures."""

import pytest

from server.facts import Fact, NewFact
from server.journal.acts import State
from server.notices.audience import Customer, is_told, notices
from server.notices.board import Board
from server.notices.delivery import Notice, Role
from server.notices.report_telling import report_notices
from server.notices.sending import Way
from tests.server.notices.boards import BOARD, TEXT

TIME_US = 1_795_262_400_000_000
PUBLISHED: State = {
    "title": "Nobody gets an answer",
    "component": "validation",
    "severity": 1,
}
CUSTOMERS = [
    Customer(1, frozenset({7}), ((11, "a@x.example"),)),
    Customer(2, frozenset({8, 9}), ((21, "b@x.example"), (22, "c@x.example"))),
    Customer(3, frozenset({7}), ()),
]


def report(clients: frozenset[int] | None) -> str:
    return f"The figures of {'all' if clients is None else sorted(clients)}\n"


def told(*clients: int, revision: int = 1, board: Board = BOARD) -> list[Notice]:
    named: State = {"revision": revision, "clients": list(clients)}
    fact = Fact(5, TIME_US, NewFact("incident.report-published", "12", {**PUBLISHED, **named}))
    assert is_told(fact)
    assert notices(fact, board, CUSTOMERS, None) == []
    return report_notices(fact, board, CUSTOMERS, report)


def contacts(found: list[Notice]) -> list[str]:
    return [one.recipient.name for one in found if one.recipient.role is Role.CONTACT]


def test_customers_whose_clients_are_named_are_told_and_all_when_none_is() -> None:
    assert contacts(told(8)) == ["21", "22"]
    assert contacts(told(4)) == []
    assert contacts(told()) == ["11", "21", "22"]


def test_each_customer_reads_the_report_with_their_own_clients() -> None:
    found = {one.recipient.name: one for one in told()}
    assert "The figures of [7]\n" in found["11"].text
    assert "The figures of [8, 9]\n" in found["22"].text
    assert found["11"].words == (
        "[Keystead] Incident 12: the incident analysis report is published - Nobody gets an answer"
    )
    assert found["11"].text.startswith("Incident 12 of Validation: Nobody gets an answer\n")
    assert found["11"].payload["data"] == {
        "incident": 12,
        "component": "validation",
        "title": "Nobody gets an answer",
        "revision": 1,
        "report": "/api/v1/customers/1/incidents/12/report.html",
    }


def test_a_webhook_gets_a_reference_and_a_subscribers_mailbox_the_report_with_all_figures() -> None:
    mail = 'webhook = "http://hooks.internal:8080/keystead"'
    board = Board.parse(TEXT.replace(mail, f'email = "ops@example.org"\n{mail}'), "x")
    by_way = {
        one.recipient.way: one for one in told(4, board=board) if one.recipient.role != "contact"
    }
    assert {one.recipient.name for one in by_way.values()} == {"ops-room"}
    assert "The figures of all\n" in by_way[Way.EMAIL].text
    reference = "/api/v1/incidents/12/report.html?revision=1"
    assert by_way[Way.WEBHOOK].text.endswith(f"\n{reference}\n")
    assert "figures" not in str(by_way[Way.WEBHOOK])
    assert by_way[Way.WEBHOOK].payload["data"]["report"] == reference  # type: ignore[call-overload,index]


def test_a_revision_is_told_as_one_and_under_ids_of_its_own() -> None:
    (later, *_) = [one for one in told(7, revision=2) if one.recipient.role is Role.CONTACT]
    assert "revision 2 of the incident analysis report is published" in later.words
    assert "\nRevision 2 of the incident analysis report was published at 2026-" in later.text


def test_a_publication_without_what_it_needs_is_a_fault_that_is_told() -> None:
    fact = Fact(5, TIME_US, NewFact("incident.report-published", "12", {}))
    with pytest.raises(KeyError):
        report_notices(fact, BOARD, CUSTOMERS, report)
