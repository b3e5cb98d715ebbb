"""What a clock that jumps may do to what is known: nothing that is not put right again. Pure.

A host's clock says which day it is, and may be years off until somebody sets it. A key is forgotten
when it was not seen for long; so what counts there is a calendar of the agent's own, which comes
after the clock by a day for each report at most.
"""

from datetime import date, timedelta

KEEP = timedelta(days=90)
"""How long a key is told of after it was seen last."""

_BUILT = date(2026, 11, 1)
_A_DAY = timedelta(days=1)


def is_believable(today: date) -> bool:
    """Return whether it can be that day: clocks without a battery begin long before this code."""
    return today >= _BUILT


def gone_on(calendar: date, today: date) -> date:
    """Return the calendar after another report. A clock that was put back is followed at once."""
    return min(today, calendar + _A_DAY)
