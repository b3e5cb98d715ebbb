"""When something is due: response, update and report clocks (Priority Support Schedule 2.f.ii).

Severity 1 and 2 run day and night; the others in Business Hours. An action exactly at the due
instant is in time.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from server.incidents.business_calendar import BUSINESS_DAY_S, BusinessCalendar
from server.incidents.severity import Severity


class Clock(enum.Enum):
    """What somebody waits for."""

    INITIAL_RESPONSE = "initial_response"
    """From the report on."""
    UPDATE = "update"
    """From the report or the last update on, when a customer reported it."""
    INCIDENT_REPORT = "incident_report"
    """From the resolution on."""


class Reading(enum.Enum):
    """What `1 Business Day` of a response means: the schedule does not say."""

    ELAPSED = "elapsed"
    """Twelve Business Hours have gone by."""
    END_OF_DAY = "end-of-day"
    """The close of the next Business Day."""


class Elapsed(NamedTuple):
    """Seconds on any clock, day and night."""

    seconds: int


class BusinessTime(NamedTuple):
    """Seconds in Business Hours."""

    seconds: int


class BusinessDays(NamedTuple):
    """Business Days, by the reading that is chosen."""

    days: int


class CloseOfBusinessDay(NamedTuple):
    """The close of the n-th Business Day after the local date: `within n Business Days after`."""

    day: int


class CalendarMonths(NamedTuple):
    """The same time on the wall so many months later, on the month's last day if it is shorter."""

    months: int


Target = Elapsed | BusinessTime | BusinessDays | CloseOfBusinessDay | CalendarMonths

TARGETS: Mapping[Clock, Mapping[Severity, Target]] = {
    Clock.INITIAL_RESPONSE: {
        Severity.SEV_1: Elapsed(15 * 60),
        Severity.SEV_2: Elapsed(2 * 3600),
        Severity.SEV_3: BusinessDays(1),
        Severity.SEV_4: BusinessDays(2),
    },
    Clock.UPDATE: {
        Severity.SEV_1: Elapsed(3600),
        Severity.SEV_2: BusinessTime(4 * 3600),
    },
    Clock.INCIDENT_REPORT: {
        Severity.SEV_1: CloseOfBusinessDay(20),
        Severity.SEV_2: CloseOfBusinessDay(20),
    },
}
"""The schedule's table. What is not in it has no clock."""


def due(
    clock: Clock,
    severity: Severity,
    start: int,
    calendar: BusinessCalendar,
    reading: Reading = Reading.ELAPSED,
) -> int | None:
    """Return the instant at which it is due, None where the schedule names no such clock."""
    target = TARGETS[clock].get(severity)
    return None if target is None else due_after(target, start, calendar, reading)


def due_after(target: Target, start: int, calendar: BusinessCalendar, reading: Reading) -> int:
    """Return the instant that a target reaches from `start` on; CalendarError."""
    match target:
        case Elapsed(seconds):
            return start + seconds
        case BusinessTime(seconds):
            return calendar.after(start, seconds)
        case BusinessDays(days) if reading is Reading.ELAPSED:
            return calendar.after(start, days * BUSINESS_DAY_S)
        case BusinessDays(days) | CloseOfBusinessDay(days):
            return calendar.close_of(start, days)
        case CalendarMonths(months):
            return calendar.months_after(start, months)
