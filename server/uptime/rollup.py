"""Rolls up a day: from what was counted in each minute to a segment of each client. Pure."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from server.uptime.segment import ALL, DAY_MINUTES, PROBES, DaySums, Exceptional, Segment
from server.usage.ports import NOBODY, OVERFLOW


class Counted(NamedTuple):
    """What was answered to a client in a minute. excluded: over its limit."""

    minute: int
    client_id: int
    good: int
    bad: int
    excluded: int


class ProbeMinute(NamedTuple):
    """What all probers together found in a minute."""

    minute: int
    good: int
    bad: int


class _Day:
    """One client's day while it is read."""

    __slots__ = ("bad", "exceptions", "excluded", "good", "seen")

    def __init__(self) -> None:
        self.good = self.bad = self.excluded = self.seen = 0
        self.exceptions: list[Exceptional] = []

    def add(self, at: int, counted: Counted, min_requests: int) -> None:
        _, _, good, bad, excluded = counted
        self.good += good
        self.bad += bad
        self.excluded += excluded
        if good + bad >= min_requests:
            self.seen |= 1 << at
        if bad:
            self.exceptions.append(Exceptional(counted.minute, good, bad))

    def segment(self, client_id: int, day: int, min_requests: int) -> Segment:
        sums = DaySums(self.good, self.bad, self.excluded, min_requests)
        return Segment(client_id, day, (sums,), self.seen, tuple(self.exceptions))


class DayRoll:
    """Takes what was counted on a day, minute by minute, in order.

    left_out: Client IDs that no total counts. min_requests: with fewer a minute does not speak
    for itself, at least 1.
    """

    def __init__(self, day: int, *, min_requests: int, left_out: Collection[int]) -> None:
        self._day = day
        self._first = day * DAY_MINUTES
        self._min_requests = min_requests
        self._left_out = frozenset(left_out)
        self._clients: dict[int, _Day] = {}
        self._all = _Day()
        self._minute: Counted | None = None
        self.requests = 0
        """Everything that was counted, also of nobody who is known."""

    def take(self, rows: Iterable[Counted]) -> None:
        """Take what was counted, in the order of minutes."""
        for row in rows:
            self.requests += row.good + row.bad + row.excluded
            if row.client_id not in {NOBODY, OVERFLOW}:
                day = self._clients.get(row.client_id)
                if day is None:
                    day = self._clients[row.client_id] = _Day()
                day.add(row.minute - self._first, row, self._min_requests)
            if row.client_id not in self._left_out:
                self._total(row)

    def segments(self) -> list[Segment]:
        """Return the segments of everybody together and of each client, in order."""
        self._end_minute()
        if not self._clients and not (self._all.good or self._all.bad or self._all.excluded):
            return []
        days = [(ALL, self._all), *sorted(self._clients.items())]
        return [day.segment(number, self._day, self._min_requests) for number, day in days]

    def _total(self, row: Counted) -> None:
        known = self._minute
        if known is None or known.minute != row.minute:
            self._end_minute()
            self._minute = row._replace(client_id=ALL)
            return
        self._minute = Counted(
            row.minute,
            ALL,
            known.good + row.good,
            known.bad + row.bad,
            known.excluded + row.excluded,
        )

    def _end_minute(self) -> None:
        if self._minute is not None:
            self._all.add(self._minute.minute - self._first, self._minute, self._min_requests)
            self._minute = None


def roll_probes(day: int, minutes: Iterable[ProbeMinute]) -> Segment | None:
    """Return what probers found on a day as a segment; None when none looked."""
    rolled = _Day()
    for minute, good, bad in minutes:
        rolled.add(minute - day * DAY_MINUTES, Counted(minute, PROBES, good, bad, 0), 1)
    return rolled.segment(PROBES, day, 1) if rolled.seen else None
