"""Who is told that an incident analysis report was published, and what each of them reads. Pure.

Whoever may read its page is told: customers whose Client IDs it names, all of them when it names
none, each with the figures of all together and of their own; and who subscribes to incidents.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from server.facts import Fact
from server.notices.audience import Customer, concerns, contacts_of, notice_of, ways
from server.notices.board import Board
from server.notices.delivery import Notice, Role
from server.notices.sending import Way
from server.notices.words import for_a_report

ReportText: TypeAlias = Callable[[frozenset[int] | None], str]
"""A published report for the owner of some clients, as plain text; None: with all its figures."""

_API = "/api/v1"


def report_notices(
    fact: Fact, board: Board, customers: Iterable[Customer], report: ReportText
) -> list[Notice]:
    """Return what is told of a publication. Takes a while: a text for each customer."""
    _, number, detail = fact.fact
    subscribers = [one for one in board.subscribers.values() if "incidents" in one.wants]
    reference = f"{_API}/incidents/{number}/report.html?revision={detail['revision']}"
    found = []
    if subscribers:
        wording = {
            Way.EMAIL: for_a_report(fact, reference, report(None)),
            Way.WEBHOOK: for_a_report(fact, reference, ""),
        }
        found = [
            notice_of(fact, recipient, wording[recipient.way])
            for one in subscribers
            for recipient in ways(Role.SUBSCRIBER, one)
        ]
    for customer in customers:
        if customer.contacts and concerns(fact, customer):
            theirs = f"{_API}/customers/{customer.customer_id}/incidents/{number}/report.html"
            words = for_a_report(fact, theirs, report(customer.client_ids))
            found += [notice_of(fact, recipient, words) for recipient in contacts_of(customer)]
    return found
