"""Takes the census of the fleet beside the service, when somebody asks for it.

Keys are read a few at a time with rests between, so that a million of them take long and hold up
nobody: verifications may be decided by the same event loop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.clock import Clock
from server.fleet.advisory import Advisory
from server.fleet.census import Census, CensusCount
from server.fleet.view_ports import ViewBook

_AT_ONCE = 16
_REST = 4.0
"""How long a rest is, in times of the work before it."""

_LEAST_REST_S = 0.001
_FRESH_S = 30.0
_FRESH_TIMES = 5.0
"""A census is good for so long, and for so many times of what it took."""

_PATIENCE_S = 0.4
"""Who asks waits so long for one under way: that of a small fleet is done by then."""


class Taken(NamedTuple):
    """A census and of when it is (microseconds since the epoch)."""

    census: Census
    at_us: int


class CensusTaker:
    """Knows the last census. advisories: those to judge by, asked anew each time."""

    def __init__(
        self, book: ViewBook, advisories: Callable[[], Sequence[Advisory]], *, clock: Clock
    ) -> None:
        self._book = book
        self._advisories = advisories
        self._clock = clock
        self._taken: Taken | None = None
        self._good_until = 0.0
        self._task: asyncio.Task[None] | None = None
        self._count: CensusCount | None = None

    @property
    def counted(self) -> int | None:
        """How many keys were counted by the one under way; None: there is none."""
        return None if self._count is None else self._count.keys

    async def look(self) -> Taken | None:
        """Return the last census, after a short while when there is none; None: not counted yet.

        An old one is returned as well; a new one begins. The store's errors pass.
        """
        task = self._task
        if task is None and self._clock.monotonic() >= self._good_until:
            task = self._task = asyncio.create_task(self._take())
        if task is not None and (self._taken is None or task.done()):
            await asyncio.wait({task}, timeout=_PATIENCE_S)
            if task.done() and self._task is task:
                self._task = None
                task.result()
        return self._taken

    async def close(self) -> None:
        """End one that is under way."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _take(self) -> None:
        began = self._clock.monotonic()
        count = self._count = CensusCount(self._advisories())
        after = ""
        try:
            while True:
                begun = self._clock.monotonic()
                keys = await self._book.fleet_known(after, _AT_ONCE)
                for key in keys:
                    count.add(key)
                if len(keys) < _AT_ONCE:
                    break
                after = keys[-1].key_id
                rest_s = (self._clock.monotonic() - begun) * _REST
                await asyncio.sleep(max(_LEAST_REST_S, rest_s))
        finally:
            self._count = None
        ended = self._clock.monotonic()
        self._good_until = ended + max(_FRESH_S, (ended - began) * _FRESH_TIMES)
        self._taken = Taken(count.census(), self._clock.now_us())
