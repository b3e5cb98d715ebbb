"""Customers' reports by e-mail: which month is due, and what goes to whom. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from server.notices.audience import Customer, contacts_of
from server.notices.delivery import Delivery, Notice, Subject
from server.notices.words import CUSTOMERS_REPORT, Written, for_a_customers_report

LAST_DAY = 10
"""Until then a month that was not sent, for an outage, is sent still. Later it is old news: who
switches this on in the middle of a month sends nobody anything before the next one.
"""

SUBJECT = "report"
_US = 1_000_000


class DueMonth(NamedTuple):
    """A calendar month of UTC that is to be sent. name: like 2026-10; after: the day after it."""

    name: str
    after: date

    @property
    def end_s(self) -> int:
        """When it ended, in seconds since the epoch."""
        return int(datetime(self.after.year, self.after.month, 1, tzinfo=UTC).timestamp())


def due_month(now_us: int) -> DueMonth | None:
    """Return the month before this one on its first days, None on others."""
    today = datetime.fromtimestamp(now_us // _US, UTC).date()
    if today.day > LAST_DAY:
        return None
    first = today.replace(day=1)
    return DueMonth((first - timedelta(days=1)).isoformat()[:7], first)


def monthly_key(customer_id: int, month: str) -> str:
    """Return what the sending of a month is known by: it is told once to each contact."""
    return f"month {month} {customer_id}"


def was_planned(deliveries: Sequence[Delivery], customer_id: int, month: str) -> bool:
    """Whether a month was sent, or is on its way, of deliveries about this customer's reports."""
    key = monthly_key(customer_id, month)
    return any(one.notice.key == key for one in deliveries)


def report_letters(customer: Customer, written: Written, key: str, now_us: int) -> list[Notice]:
    """Return a report for each of the customer's contacts. key: what it is sent for."""
    wording = for_a_customers_report(customer.customer_id, written, now_us)
    subject = Subject(SUBJECT, str(customer.customer_id))
    return [
        Notice(key, CUSTOMERS_REPORT, subject, recipient, now_us, *wording)
        for recipient in contacts_of(customer)
    ]
