"""Which periods the page has figures of at a moment. Edges are midnights on a wall. Pure."""

import calendar
from datetime import date, datetime
from zoneinfo import ZoneInfo

from server.incidents import periods
from server.incidents.intervals import Span
from server.incidents.periods import UTC_ZONE
from server.status.snapshot import PeriodName

_QUARTER_MONTHS = 3


def shown_periods(
    now_s: int, term_begins: date, zone: ZoneInfo = UTC_ZONE
) -> dict[PeriodName, Span]:
    """Return the periods that a second lies in. term_begins: as of `term_at`."""
    today = datetime.fromtimestamp(now_s, zone).date()
    quarter = (today.month - 1) // _QUARTER_MONTHS + 1
    return {
        PeriodName.MONTH: periods.month(today.year, today.month, zone),
        PeriodName.QUARTER: periods.quarter(today.year, quarter, zone),
        PeriodName.TERM: term_at(today, term_begins, zone),
        PeriodName.ROLLING: periods.rolling(now_s),
    }


def term_at(today: date, begins: date, zone: ZoneInfo = UTC_ZONE) -> Span:
    """Return the term of twelve months that a day lies in; `begins`: the first day of any term.

    A first day that a year does not have (29 February) becomes the last one of its month.
    """
    first = _in_year(begins, today.year)
    if first > today:
        first = _in_year(begins, today.year - 1)
    return periods.term(first, _in_year(begins, first.year + 1), zone)


def _in_year(day: date, year: int) -> date:
    last = calendar.monthrange(year, day.month)[1]
    return date(year, day.month, min(day.day, last))
