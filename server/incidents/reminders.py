"""What is to be reminded of: clocks that will soon be due, and clocks that were missed. Pure."""

import enum
from collections.abc import Iterable
from typing import NamedTuple

from server.incidents.clocks import Clock
from server.incidents.incident_clocks import IncidentClock
from server.incidents.response import Outcome

_SHARE = 4
_LEAST_S = 5 * 60
_MOST_S = 3 * 86_400


class Moment(enum.Enum):
    """What of a clock is told. The words are the ends of facts' kinds: "incident.clock-soon"."""

    SOON = "clock-soon"
    MISSED = "clock-missed"


class Reminder(NamedTuple):
    """Something to be told once. start, due: seconds; another due instant is another reminder."""

    incident_id: int
    clock: Clock
    start: int
    due: int
    moment: Moment


def lead(start: int, due: int) -> int:
    """Return how many seconds before a due instant to remind of it.

    A quarter of the time there is, but no less than five minutes and no more than three days: of
    fifteen minutes five, of an hour a quarter of an hour, of twenty Business Days three days.
    """
    return min(max((due - start) // _SHARE, _LEAST_S), _MOST_S)


def reminders(incident_id: int, clocks: Iterable[IncidentClock], now: int) -> list[Reminder]:
    """Return everything that should have been told by now, told already or not."""
    found = []
    for one in clocks:
        missed = one.story.at(now).missed_at
        if one.outcome(now) is Outcome.MISSED and missed is not None:
            start = one.story.reported_at
            found.append(Reminder(incident_id, one.clock, start, missed, Moment.MISSED))
        due = one.story.due
        if one.runs and due is not None and now <= due:
            begins = max(one.story.dues[-1].since, one.story.reported_at)
            if now >= due - lead(begins, due):
                found.append(
                    Reminder(incident_id, one.clock, one.story.reported_at, due, Moment.SOON)
                )
    return found
