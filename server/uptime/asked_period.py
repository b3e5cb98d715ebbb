"""The period that somebody asks about, in their words: a month, a quarter, a term, or thirty days.

The schedule names no measuring period, so all four are shown. Edges are midnights on the wall of
the report's zone.
"""

import enum
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from server.accounts.plan_term import plan_from
from server.accounts.text import InputError
from server.incidents.intervals import Span
from server.incidents.periods import month, quarter, rolling, term

_QUARTER_MONTHS = 3
_LAST_YEAR = 9000
_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_QUARTER = re.compile(r"(\d{4})-Q([1-4])", re.ASCII)


class Kind(enum.StrEnum):
    """How long it is."""

    MONTH = "month"
    QUARTER = "quarter"
    TERM = "term"
    ROLLING = "rolling"


def asked_period(kind: Kind, of: str | None, now_s: int, zone: ZoneInfo) -> Span:
    """Return the seconds of a period. InputError.

    of: `2026-10` for a month, `2026-Q4` for a quarter, for a term the date on which its twelve
    months begin, for thirty days the date that they end with; None for what is now (a term has to
    be said).
    """
    here = datetime.fromtimestamp(now_s, UTC).astimezone(zone).date()
    match kind:
        case Kind.MONTH:
            year, number = _numbers(_MONTH, of, "2026-10") or (here.year, here.month)
            return _checked(lambda: month(year, number, zone))
        case Kind.QUARTER:
            now = (here.year, (here.month - 1) // _QUARTER_MONTHS + 1)
            year, number = _numbers(_QUARTER, of, "2026-Q4") or now
            return _checked(lambda: quarter(year, number, zone))
        case Kind.TERM:
            if of is None:
                raise InputError("say when the term begins, like 2026-10-15")
            begins, ends = plan_from(_date(of))
            return term(begins, ends, zone)
        case Kind.ROLLING:
            if of is None:
                return rolling(now_s)
            day = _date(of)
            return rolling(term(day, date.fromordinal(day.toordinal() + 1), zone).end)


def _checked(made: Callable[[], Span]) -> Span:
    try:
        return made()
    except ValueError:
        raise InputError("no calendar has this period; months are 01 to 12") from None


def _numbers(form: re.Pattern[str], text: str | None, example: str) -> tuple[int, int] | None:
    if text is None:
        return None
    found = form.fullmatch(text)
    if found is None:
        raise InputError(f"write the period like {example}")
    return int(found[1]), int(found[2])


def _date(text: str) -> date:
    refusal = InputError("write the date like 2026-10-15")
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise refusal from None
    if found.isoformat() != text or found.year >= _LAST_YEAR:
        raise refusal
    return found
