"""The term of a plan: twelve months from the Order Form Effective Date (schedule 1.l). Pure."""

import calendar
from datetime import date

from server.accounts.customer_ports import Plan
from server.accounts.text import InputError

_LAST_YEAR = 9998
"""A term of twelve months must end within what a calendar can hold."""


def plan_from(begins: date, ends: date | None = None) -> Plan:
    """Return a plan's term; ends: the first day that is not in it, else twelve months later.

    A day that the month of the end does not have becomes its last one. InputError.
    """
    if begins.year > _LAST_YEAR:
        raise InputError(f"a plan cannot begin after the year {_LAST_YEAR}")
    if ends is None:
        last = calendar.monthrange(begins.year + 1, begins.month)[1]
        ends = date(begins.year + 1, begins.month, min(begins.day, last))
    if ends <= begins:
        raise InputError("the plan must end after it begins; give a later end, or none")
    return Plan(begins, ends)
