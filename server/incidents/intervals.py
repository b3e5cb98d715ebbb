"""Half-open intervals of whole seconds in UTC, and sets of them.

A span is `[start, end)` in Unix seconds. Local times become spans before they get here: with
two datetimes of one zone Python subtracts the clocks on the wall, and an hour is lost or won on
the days they change.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Seconds from `start` on, up to and without `end`. Empty when they are the same."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.end - self.start

    def clipped(self, to: "Span") -> "Span":
        """Return what of it lies within `to`: an empty span when nothing does."""
        start = min(max(self.start, to.start), to.end)
        return Span(start, max(start, min(self.end, to.end)))


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the same seconds as spans that neither overlap nor touch, in order."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.seconds > 0):
        if merged and span.start <= merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = Span(merged[-1].start, span.end)
        else:
            merged.append(span)
    return merged


def without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """Return the seconds of `spans` that are in none of `holes`. Both: as `union` returns them."""
    kept: list[Span] = []
    at = 0
    for span in spans:
        start = span.start
        while at < len(holes) and holes[at].end <= start:
            at += 1
        hole = at
        while hole < len(holes) and holes[hole].start < span.end:
            if holes[hole].start > start:
                kept.append(Span(start, holes[hole].start))
            start = max(start, holes[hole].end)
            hole += 1
        if start < span.end:
            kept.append(Span(start, span.end))
    return kept


def length(spans: Iterable[Span]) -> int:
    """Return how many seconds spans have that do not overlap."""
    return sum(span.seconds for span in spans)
