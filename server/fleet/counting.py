"""How many keys and hosts there are, told to who looks at the fleet as a whole."""

import asyncio
from collections import Counter as Tally
from collections.abc import Mapping
from typing import NamedTuple

from server.clock import Clock
from server.fleet.health import Level
from server.fleet.hosts import HostState
from server.fleet.ports import FleetBook

_GOOD_S = 15.0
"""How long an answer is good: of a million keys, each takes a fifth of a second of a processor."""


class Counts(NamedTuple):
    """Keys by what was found of them last. by_level: None for nothing; by_line: `lines.line_word`;
    by_firmware: "" where it is not known; by_rule: a key may be at several.
    """  # noqa: D205 - one thought

    keys: int
    by_level: Mapping[Level | None, int]
    by_line: Mapping[str, int]
    by_firmware: Mapping[str, int]
    by_rule: Mapping[str, int]
    hosts: Mapping[HostState, int]


class Counter:
    """Asks the store, once for all who want to know at about the same time."""

    def __init__(self, book: FleetBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._turn = asyncio.Lock()
        self._counts: Counts | None = None
        self._good_until = 0.0

    async def counts(self) -> Counts:
        """Return what was counted not longer ago than `_GOOD_S`. The store's errors pass."""
        async with self._turn:
            if self._counts is None or self._clock.monotonic() >= self._good_until:
                self._counts = await self._count()
                self._good_until = self._clock.monotonic() + _GOOD_S
            return self._counts

    async def _count(self) -> Counts:
        levels: Tally[Level | None] = Tally()
        lines: Tally[str] = Tally()
        versions: Tally[str] = Tally()
        for alike in await self._book.key_counts():
            levels[alike.level] += alike.keys
            lines[alike.line] += alike.keys
            versions[alike.firmware] += alike.keys
        return Counts(
            levels.total(),
            levels,
            lines,
            versions,
            await self._book.rule_counts(),
            await self._book.host_counts(),
        )
