"""Periods of reports: month, quarter, plan term and rolling days, from walls to seconds.

The schedule names no measuring period, so all four are shown. Edges are midnights on the wall of
the report's zone, UTC unless it says otherwise: a month may be an hour longer or shorter.
"""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from server.incidents.intervals import Span

UTC_ZONE = ZoneInfo("UTC")
DAY_S = 86_400
_MONTHS = 12
_QUARTER = 3


def month(year: int, number: int, zone: ZoneInfo = UTC_ZONE) -> Span:
    """Return a calendar month, number 1 to 12; ValueError."""
    return _months(year, number, 1, zone)


def quarter(year: int, number: int, zone: ZoneInfo = UTC_ZONE) -> Span:
    """Return a calendar quarter, number 1 to 4; ValueError."""
    return _months(year, (number - 1) * _QUARTER + 1, _QUARTER, zone)


def term(first: date, end: date, zone: ZoneInfo = UTC_ZONE) -> Span:
    """Return a plan's term; end: the first day that is not in it."""
    return Span(_midnight(first, zone), _midnight(end, zone))


def rolling(as_of: int, days: int = 30) -> Span:
    """Return the days before an instant, 86,400 seconds each."""
    return Span(as_of - days * DAY_S, as_of)


def _months(year: int, first: int, count: int, zone: ZoneInfo) -> Span:
    beyond = year * _MONTHS + (first - 1) + count
    end = date(beyond // _MONTHS, beyond % _MONTHS + 1, 1)
    return Span(_midnight(date(year, first, 1), zone), _midnight(end, zone))


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first second of a date. Where midnight is skipped, that is when it is over."""
    return int(datetime.combine(day, time(), zone).timestamp())
