"""Days as bars: how much of each was lost, in maintenance, unknown and well. Pure.

A bar is drawn to scale, but for one thing: what was lost, and maintenance or what is unknown, is
never so thin that it cannot be seen. A minute of a day would be.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from server.pages import words
from server.status.snapshot import Bar

HEIGHT = 40
STEP = 5
WIDTH = 4
_LEAST_LOST = 12
_LEAST = 4
_BAD = Fraction(1, 20)


class Piece(NamedTuple):
    """A part of a bar: its kind, where it begins from above, and how tall it is."""

    kind: str
    top: int
    height: int


class Column(NamedTuple):
    """A bar as it is drawn: where it begins from the left, its parts, and what it says."""

    left: int
    pieces: tuple[Piece, ...]
    text: str


class _Part(NamedTuple):
    kind: str
    share: int
    least: int


def columns(bars: Sequence[Bar]) -> list[Column]:
    """Return the bars of some days, side by side."""
    return [
        Column(at * STEP, _pieces(bar), f"{words.day(bar.day)}: {tell(bar)}")
        for at, bar in enumerate(bars)
    ]


def tell(bar: Bar) -> str:
    """Say in words what a day was like."""
    if not bar.period_s:
        return "nothing was recorded yet"
    said = [
        f"{words.duration(seconds)} {what}"
        for seconds, what in (
            (bar.downtime_s, "lost"),
            (bar.maintenance_s, "of announced maintenance"),
            (bar.unknown_s, "of which nothing is known"),
        )
        if seconds
    ]
    return ", ".join(said) or "nothing was lost"


def is_plain(bar: Bar) -> bool:
    """Whether there is nothing to tell of a day: all of it is known, and well."""
    return bool(bar.period_s) and not (bar.downtime_s or bar.maintenance_s or bar.unknown_s)


def _pieces(bar: Bar) -> tuple[Piece, ...]:
    """Stack from below: lost, maintenance, unknown; the rest was well."""
    if not bar.period_s:
        return (Piece("none", 0, HEIGHT),)
    eligible_s = bar.period_s - bar.maintenance_s
    lost = "bad" if eligible_s and bar.downtime_s >= _BAD * eligible_s else "some"
    well_s = bar.period_s - bar.downtime_s - bar.maintenance_s - bar.unknown_s
    parts = [
        _Part(kind, math.floor(Fraction(seconds) * HEIGHT / bar.period_s), least)
        for kind, seconds, least in (
            (lost, bar.downtime_s, _LEAST_LOST),
            ("maintenance", bar.maintenance_s, _LEAST),
            ("unknown", bar.unknown_s, _LEAST),
            ("well", well_s, 1),
        )
        if seconds > 0
    ]
    bottom = HEIGHT
    pieces = []
    for part, height in zip(parts, _heights(parts), strict=True):
        bottom -= height
        pieces.append(Piece(part.kind, bottom, height))
    return tuple(pieces)


def _heights(parts: Sequence[_Part]) -> list[int]:
    """Give each its least, and what that or rounding changes to the one that is furthest above."""
    heights = [max(part.least, part.share) for part in parts]
    while (left := HEIGHT - sum(heights)) != 0:
        spare = [height - part.least for part, height in zip(parts, heights, strict=True)]
        most = spare.index(max(spare))
        heights[most] += max(left, -spare[most])
    return heights
