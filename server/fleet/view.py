"""The fleet as a whole, as a page shows it: numbers, lists, and whom an advisory hits."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from server.clock import Clock
from server.fleet.advisory import Advisory
from server.fleet.advisory_desk import AdvisoryDesk
from server.fleet.census_taker import CensusTaker, Taken
from server.fleet.counting import Counts
from server.fleet.desk import FleetDesk, HitKey
from server.fleet.exposure import Affected, Exposure
from server.fleet.health import Level
from server.fleet.holder_desk import HolderDesk
from server.fleet.holder_ports import HeldKey, HolderSearch
from server.fleet.hosts import Host
from server.fleet.paging import Page, Place, cut
from server.fleet.ports import FleetKey, Search
from server.fleet.trouble import Trouble
from server.fleet.view_ports import HostSearch, ViewBook

_AT_ONCE = 25
_LOOKED_AT = 1_500
"""Keys that are judged for one page about an advisory."""


class NamedRule(NamedTuple):
    """A rule of health, for people."""

    title: str
    level: Level


class Numbers(NamedTuple):
    """Counts and of when they are (microseconds since the epoch)."""

    counts: Counts
    troubles: Mapping[Trouble, int]
    at_us: int


class Hits(NamedTuple):
    """Keys that an advisory hits. beyond: the last key that was looked at, None: all were."""

    keys: Sequence[HitKey]
    looked_at: int
    beyond: str | None


class FleetView:
    """What somebody sees who looks at the fleet. Store errors pass through.

    desk: knows single keys, and judges; holders: knows who holds them; advisories: what was decided
    on them, and which are about software.
    """

    def __init__(
        self,
        desk: FleetDesk,
        holders: HolderDesk,
        advisories: AdvisoryDesk,
        book: ViewBook,
        *,
        clock: Clock,
    ) -> None:
        self.desk = desk
        self.advisories = advisories
        self._holders = holders
        self._book = book
        self._clock = clock
        self._census = CensusTaker(book, lambda: desk.advisories, clock=clock)
        self._numbers: Numbers | None = None
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """End what goes on beside the service."""
        await self._census.close()

    @property
    def rules(self) -> Mapping[str, NamedRule]:
        """Return the rules of health that keys are looked for by, by name."""
        known = self.desk.rulebook.named.items()
        return {name: NamedRule(rule.title, rule.level) for name, rule in known}

    async def numbers(self) -> Numbers:
        """Return how many there are, as of some seconds ago: as long as what the desk counted."""
        async with self._turn:
            counts, known = await self.desk.counts(), self._numbers
            if known is None or known.counts is not counts:
                troubles = await self._book.host_troubles()
                known = self._numbers = Numbers(counts, troubles, self._clock.now_us())
            return known

    async def census(self) -> Taken | None:
        """Return what was counted key by key last; None: that goes on."""
        return await self._census.look()

    @property
    def counted(self) -> int | None:
        """How many keys the census under way has counted."""
        return self._census.counted

    async def keys(self, search: Search, place: Place, limit: int) -> Page[FleetKey]:
        """Return a page of keys."""
        return await self._book.key_page(search, place, limit)

    async def hosts(
        self, name: str, trouble: Trouble | None, place: Place, limit: int
    ) -> Page[Host]:
        """Return a page of hosts by name."""
        search = HostSearch(name, trouble)
        return await self._book.host_page(search, place, limit)

    async def holders(self, search: HolderSearch, after: str, limit: int) -> Page[HeldKey]:
        """Return a page of holders, by their keys' ids."""
        found = await self._holders.list(search, None, after, limit + 1)
        return cut(found, Place(after), limit)

    async def hits(
        self, advisory: Advisory, is_wanted: Callable[[Exposure], bool], after: str, limit: int
    ) -> Hits:
        """Look at keys beyond `after` until `limit` of them are hit in the way that is wanted."""
        hit: list[HitKey] = []
        looked_at = 0
        while looked_at < _LOOKED_AT:
            page = await self._book.key_page(Search(), Place(after), _AT_ONCE)
            for known in page.entries:
                looked_at += 1
                after = known.key.key_id
                exposure = self.desk.exposure(known, advisory)
                if exposure.affected is not Affected.NO and is_wanted(exposure):
                    hit.append(HitKey(known, exposure))
                if len(hit) == limit:
                    is_last = known is page.entries[-1] and not page.later
                    return Hits(hit, looked_at, None if is_last else after)
            if not page.later:
                return Hits(hit, looked_at, None)
        return Hits(hit, looked_at, after)
