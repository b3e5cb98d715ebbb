"""By which calendar clocks are reckoned, and due instants kept with the calendar they came from.

A due instant that was told once stays, whatever a later list of holidays knows: it is noted
with the list's fingerprint, and looked up before anything is computed.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from server.incidents.business_calendar import Entity
from server.incidents.clocks import Clock, Reading, due
from server.incidents.holiday_calendars import DEFAULT, HolidayCalendar, business_calendar
from server.incidents.severity import Severity


class DueNote(NamedTuple):
    """A due instant as it was computed. start, due: Unix seconds; due: None for no such clock.

    calendar: entity, list and reading, "inc us-federal elapsed"; fingerprint: of the list's days
    in the years from start to due.
    """

    clock: Clock
    severity: Severity
    start: int
    due: int | None
    calendar: str
    fingerprint: str


class Schedule(NamedTuple):
    """Whose Business Days count, and how a Business Day of a response is read."""

    entity: Entity = Entity.INC
    holidays: HolidayCalendar = DEFAULT[Entity.INC]
    reading: Reading = Reading.ELAPSED

    @property
    def name(self) -> str:
        """What a note calls it."""
        return f"{self.entity.value} {self.holidays.value} {self.reading.value}"

    def note(self, clock: Clock, severity: Severity, start: int) -> DueNote:
        """Compute a due instant; CalendarError beyond what a calendar can hold."""
        calendar = business_calendar(self.entity, self.holidays)
        instant = due(clock, severity, start, calendar, self.reading)
        years = range(_year(start), _year(start if instant is None else instant) + 1)
        fingerprint = self.holidays.fingerprint(years)
        return DueNote(clock, severity, start, instant, self.name, fingerprint)


class Reckoning:
    """Due instants: those that were noted as they are, others computed and noted."""

    def __init__(self, schedule: Schedule, noted: Iterable[DueNote] = ()) -> None:
        self._schedule = schedule
        self._noted = {(one.clock, one.severity, one.start): one for one in noted}
        self._fresh: list[DueNote] = []

    @property
    def fresh(self) -> Sequence[DueNote]:
        """What was not noted before, in the order in which it was asked for."""
        return self._fresh

    def due(self, clock: Clock, severity: Severity, start: int) -> int | None:
        """Return when something is due, None where the schedule names no such clock."""
        found = self._noted.get((clock, severity, start))
        if found is None:
            found = self._schedule.note(clock, severity, start)
            self._noted[clock, severity, start] = found
            self._fresh.append(found)
        return found.due


def _year(instant: int) -> int:
    return datetime.fromtimestamp(instant, UTC).year
