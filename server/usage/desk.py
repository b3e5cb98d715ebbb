"""What was answered, as somebody asks for it: a range of minutes in slots, and their sum."""

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from server.usage.kinds import KINDS
from server.usage.ports import Slot, UsageBook

_DAY = 24 * 60
_MINUTE_S = 60
_MINUTE_US = 60_000_000

MOST_MINUTES = 31 * _DAY
"""A month: what a range may have at most."""

MOST_SLOTS = 1_500
"""A day of minutes, a month of hours."""


_LATEST = 1030 * 366 * _DAY


class RangeError(Exception):
    """The range or the step is not one that can be answered; says what to ask instead."""


class Step(enum.StrEnum):
    """What minutes are added up to."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def minutes(self) -> int:
        """How many minutes a slot has."""
        return {Step.MINUTE: 1, Step.HOUR: 60, Step.DAY: _DAY}[self]


class Usage(NamedTuple):
    """What was answered in the minutes from `first` up to, not including, `end`.

    Minutes are since the epoch; counts: the sum of all slots, in the order of KINDS.
    """

    first: int
    end: int
    step: Step
    counts: tuple[int, ...]
    slots: Sequence[Slot]


class UsageDesk:
    """Reads what was counted. left_out: Client IDs that no total counts."""

    def __init__(self, book: UsageBook, left_out: frozenset[int] = frozenset()) -> None:
        self._book = book
        self._left_out = left_out

    async def of_client(
        self, client_id: int, start: datetime | None, end: datetime | None, step: Step
    ) -> Usage:
        """Return what one client was answered. start, end: None for the last day. RangeError."""
        first, last = await self._range(start, end, step)
        slots = await self._book.client_usage(client_id, first, last, step.minutes)
        return _usage(first, last, step, slots)

    async def of_all(self, start: datetime | None, end: datetime | None, step: Step) -> Usage:
        """Return what everybody was answered, as far as they are not left out. RangeError."""
        first, last = await self._range(start, end, step)
        slots = await self._book.total_usage(first, last, step.minutes, self._left_out)
        return _usage(first, last, step, slots)

    async def _range(
        self, start: datetime | None, end: datetime | None, step: Step
    ) -> tuple[int, int]:
        if end is None:
            # The minute that is now belongs to it.
            last = await self._book.store_time_us() // _MINUTE_US + 1
        else:
            last = -int(-end.timestamp() // _MINUTE_S)
        first = last - _DAY if start is None else int(start.timestamp() // _MINUTE_S)
        if first < 0 or last > _LATEST:
            raise RangeError("nobody counted then; ask for minutes between 1970 and 3000")
        if first >= last:
            raise RangeError("the range ends before it begins; give a later `to`")
        if last - first > MOST_MINUTES:
            raise RangeError("the range is longer than 31 days; ask for it in parts")
        if (last - first) // step.minutes > MOST_SLOTS:
            raise RangeError(
                f"the range has more than {MOST_SLOTS:,} of these steps; ask for a longer step, or"
                " for a shorter range"
            )
        return first, last


def _usage(first: int, end: int, step: Step, slots: Sequence[Slot]) -> Usage:
    columns = zip(*(slot.counts for slot in slots), strict=True)
    counts = tuple(map(sum, columns)) or (0,) * len(KINDS)
    return Usage(first, end, step, counts, slots)
