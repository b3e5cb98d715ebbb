"""The rota: whose turn it is at an instant, week after week, with what people swapped.

Turns are handed over on the wall of a zone, so a week with a change of clocks has an hour more or
less, and nobody's begins at another time on their watch.
"""

import bisect
import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from server.incidents.intervals import Span

DAYS_OF_A_TURN = 7


class Override(NamedTuple):
    """Somebody takes over. span: seconds of UTC; of several the last one holds."""

    person: str
    span: Span


class Rota(NamedTuple):
    """Who follows whom. first: the local date on which the first of `turns` begins, at `hand_over`.

    turns: names in the order of their weeks, at least one, then over again; so it was before
    `first`, too.
    """

    zone: ZoneInfo
    first: date
    hand_over: time
    turns: tuple[str, ...]
    overrides: tuple[Override, ...] = ()

    def on_call(self, at: int) -> str:
        """Return whose turn it is at an instant (Unix seconds)."""
        taken = [one.person for one in self.overrides if one.span.start <= at < one.span.end]
        return taken[-1] if taken else self.turns[self._week(at) % len(self.turns)]

    def next_up(self, at: int) -> str:
        """Return who is called beside the one on call: whose turn is next, and is another's."""
        now = self.on_call(at)
        week = self._week(at)
        following = (self.turns[(week + step) % len(self.turns)] for step in range(len(self.turns)))
        others = (name for name in [*[*following][1:], *self.turns] if name != now)
        return next(others, now)

    def shifts(self, span: Span) -> list[tuple[Span, str]]:
        """Return who is on call when, without a gap, over a span."""
        edges = {span.start, span.end}
        for one in self.overrides:
            edges |= {edge for edge in one.span if span.start < edge < span.end}
        week = self._week(span.start) + 1
        while (start := self._start_of(week)) < span.end:
            edges.add(start)
            week += 1
        ordered = sorted(edges)
        found: list[tuple[Span, str]] = []
        for start, end in itertools.pairwise(ordered):
            person = self.on_call(start)
            if found and found[-1][1] == person:
                found[-1] = (Span(found[-1][0].start, end), person)
            else:
                found.append((Span(start, end), person))
        return found

    def _week(self, at: int) -> int:
        """Return the number of the turn that an instant lies in; the first is 0."""
        day = datetime.fromtimestamp(at, UTC).astimezone(self.zone).date()
        near = (day - self.first).days // DAYS_OF_A_TURN
        # A hand-over at an hour of the day: the neighbours are looked at, too.
        starts = [self._start_of(near + step) for step in (-1, 0, 1, 2)]
        return near - 2 + bisect.bisect_right(starts, at)

    def _start_of(self, week: int) -> int:
        day = self.first + timedelta(days=DAYS_OF_A_TURN * week)
        return int(datetime.combine(day, self.hand_over, self.zone).timestamp())
