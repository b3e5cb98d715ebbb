"""Business Days and Business Hours of an entity (Priority Support Schedule 1.a, 1.b, 1.j).

A Business Day is Monday to Friday without the entity's legal public holidays; its Business
Hours are [05:00, 17:00) on the wall there, and 17:00:00 is outside. What is computed is Unix
seconds: the wall only says where a day opens and closes.
"""

import enum
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from server.incidents.intervals import Span

OPENS = time(5)
CLOSES = time(17)
BUSINESS_DAY_S = 12 * 3600
"""What a Business Day is worth when a clock counts hours."""

_SATURDAY = 5
_LONGEST_DAYS = 3660
"""How far a clock looks for Business Days: a calendar without any is refused, not searched."""


class Entity(enum.Enum):
    """Whom a plan is with; its zone is where Business Hours are local."""

    INC = "inc"
    AB = "ab"

    @property
    def zone(self) -> ZoneInfo:
        """Santa Clara, California, or Stockholm (1.j)."""
        return ZoneInfo("America/Los_Angeles" if self is Entity.INC else "Europe/Stockholm")


class CalendarError(ValueError):
    """A clock runs beyond what a calendar can hold."""


class BusinessCalendar(NamedTuple):
    """Where and when people work. is_holiday: whether a date is a legal public holiday there."""

    zone: ZoneInfo
    is_holiday: Callable[[date], bool]
    opens: time = OPENS
    closes: time = CLOSES

    def is_business_day(self, day: date) -> bool:
        """Whether people work on a date."""
        return day.weekday() < _SATURDAY and not self.is_holiday(day)

    def local_date(self, instant: int) -> date:
        """Return the date on the wall at an instant."""
        try:
            return datetime.fromtimestamp(instant, UTC).astimezone(self.zone).date()
        except (ValueError, OverflowError, OSError):
            raise CalendarError("that instant lies beyond what a calendar can hold") from None

    def hours(self, day: date) -> Span:
        """Return the Business Hours of a Business Day."""
        return Span(self._at(day, self.opens), self._at(day, self.closes))

    def after(self, start: int, business_seconds: int) -> int:
        """Return the earliest instant at which so much business time, at least 1 s, is used up."""
        left = business_seconds
        for day in self._business_days(self.local_date(start)):
            opens, closes = self.hours(day)
            begins = max(opens, start)
            if begins < closes:
                if left <= closes - begins:
                    return begins + left
                left -= closes - begins
        raise CalendarError("the calendar has too few Business Days for this clock")

    def close_of(self, start: int, business_day: int) -> int:
        """Return the close of the n-th Business Day, n >= 1, after the local date of `start`."""
        first = self._next(self.local_date(start))
        for number, day in enumerate(self._business_days(first), 1):
            if number == business_day:
                return self.hours(day).end
        raise CalendarError("the calendar has too few Business Days for this clock")

    def months_after(self, start: int, months: int) -> int:
        """Return the same time on the wall so many months later, or on that month's last day."""
        wall = datetime.fromtimestamp(start, UTC).astimezone(self.zone)
        beyond = wall.year * 12 + wall.month - 1 + months
        year, month = beyond // 12, beyond % 12 + 1
        if year >= MAXYEAR:
            raise CalendarError("the clock runs beyond what a calendar can hold")
        day = min(wall.day, monthrange(year, month)[1])
        # A time that the clocks leap over is the one that they show instead; of one that they
        # show twice the first is meant: the sooner is never too late.
        return int(wall.replace(year=year, month=month, day=day, fold=0).timestamp())

    def _business_days(self, first: date) -> Iterator[date]:
        day = first
        for _ in range(_LONGEST_DAYS):
            if self.is_business_day(day):
                yield day
            day = self._next(day)

    @staticmethod
    def _next(day: date) -> date:
        try:
            return day + timedelta(days=1)
        except OverflowError:
            raise CalendarError("the clock runs beyond what a calendar can hold") from None

    def _at(self, day: date, wall: time) -> int:
        return int(datetime.combine(day, wall, self.zone).timestamp())
