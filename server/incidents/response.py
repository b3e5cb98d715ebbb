"""One response clock from the report to a person's answer, with what changes on the way.

Pure: events in, the clock's whole story out. Nothing pauses it; only a person's acknowledgement
or update stops it, a note that the system wrote never does; a missed clock stays missed.
"""

import enum
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from server.incidents.severity import Severity


class Outcome(enum.Enum):
    """How a clock stands. These are targets of commercially reasonable efforts, no penalties."""

    RUNNING = "running"
    MET = "met"
    MISSED = "missed"


class Assigned(NamedTuple):
    """A person gave the incident a severity, the first one or another."""

    at: int
    severity: Severity


class Answered(NamedTuple):
    """Somebody acknowledged or updated. by_person: False for what the system wrote by itself."""

    at: int
    by_person: bool = True


Event = Assigned | Answered


class Due(NamedTuple):
    """A due instant that held: since when, and for which severity. due: None for no such clock."""

    since: int
    severity: Severity
    due: int | None


class ResponseClock(NamedTuple):
    """The story so far. dues: every due instant that ever held, the last one holds now.

    missed_at: the due instant that went by; answered_at: when a person stopped the clock.
    """

    reported_at: int
    dues: tuple[Due, ...]
    missed_at: int | None = None
    answered_at: int | None = None

    @property
    def due(self) -> int | None:
        """When it is due, as of the last event."""
        return self.dues[-1].due

    def at(self, now: int) -> Self:
        """Return the story with what time alone has done to it."""
        missed = (
            self.missed_at is None
            and self.answered_at is None
            and self.due is not None
            and self.due < now  # exactly at the due instant is in time
        )
        return self._replace(missed_at=self.due) if missed else self

    def outcome(self, now: int) -> Outcome | None:
        """Return how it stands at an instant, None when there is nothing to be met."""
        clock = self.at(now)
        if clock.missed_at is not None:
            return Outcome.MISSED
        if clock.due is None:
            return None
        return Outcome.MET if clock.answered_at is not None else Outcome.RUNNING


def run(
    reported_at: int,
    severity: Severity,
    events: Iterable[Event],
    target: Callable[[Severity, int], int | None],
) -> ResponseClock:
    """Return the story that events, in order of time, make of a clock.

    target: (severity, start) -> when it is due, None for no such clock; `clocks.due` with the
    rest filled in.
    """
    first = Due(reported_at, severity, target(severity, reported_at))
    clock = ResponseClock(reported_at, (first,))
    for event in events:
        clock = clock.at(event.at)
        if isinstance(event, Answered):
            if event.by_person and clock.answered_at is None:
                clock = clock._replace(answered_at=event.at)
        elif clock.answered_at is None and event.severity is not clock.dues[-1].severity:
            clock = clock._replace(dues=(*clock.dues, _assigned(clock, event, target)))
    return clock


def _assigned(
    clock: ResponseClock, event: Assigned, target: Callable[[Severity, int], int | None]
) -> Due:
    """Return what is due after another severity was assigned (service rules, severity)."""
    held = clock.due
    if event.severity < clock.dues[-1].severity:  # raised: sooner, never later than it was
        fresh = target(event.severity, event.at)
        dues = [instant for instant in (held, fresh) if instant is not None]
        return Due(event.at, event.severity, min(dues, default=None))
    fresh = target(event.severity, clock.reported_at)  # lowered: counted from the report
    return Due(event.at, event.severity, None if fresh is None else max(fresh, event.at))
