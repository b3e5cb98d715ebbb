"""Forgets what the fleet has kept for long enough: the work of one run, in small steps.

Between two steps whoever verifies has their turn at the store, and a moment besides.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from server.fleet.retention import Kept, limits
from server.fleet.retention_ports import RetentionBook
from server.journal.acts import Act, Actor
from server.leases import Lease

PAUSE_S = 0.05
"""After each step: a store that is busy verifying is not kept busy with this."""

_HOSTS_AT_ONCE = 100
_SYSTEM = Actor("system", "keystead")
_log = structlog.stdlib.get_logger(__name__)


class FleetKeeper:
    """Does the work. Store errors and LeaseLostError pass through; what was done is done."""

    def __init__(self, book: RetentionBook, kept: Kept, *, pause_s: float = PAUSE_S) -> None:
        self._book = book
        self._kept = kept
        self._pause_s = pause_s

    async def work(self, lease: Lease) -> None:
        """Do one run."""
        looked, now_us = await self._book.begin_retention(lease)
        if not looked.believes(now_us):
            # Whoever set it wrong has until the next run.
            _log.warning(
                "fleet_retention_waits",
                reason="the last run was long ago, or there was none, or the clock went back: what"
                " is too old goes with the next run, if the clock stays so",
            )
            return
        due = limits(self._kept, now_us)
        await self._repeat(lambda: self._book.forget_changes(due, lease))
        await self._repeat(lambda: self._book.forget_tokens(due, lease))
        await self._repeat(lambda: self._book.mark_silent(due, lease))
        act = Act(_SYSTEM, "host.erase", f"not heard of for {self._kept.hosts_days} days")
        while hosts := await self._book.hosts_to_erase(due, _HOSTS_AT_ONCE):
            for host_id in hosts:
                await self._book.erase_silent_host(host_id, due, lease, act=act)
                await asyncio.sleep(self._pause_s)
        after: str | None = ""
        while after is not None:
            after = await self._book.forget_sightings(due, after, lease)
            await asyncio.sleep(self._pause_s)
        told = Act(_SYSTEM, "fleet.retention", "too old")
        await self._book.tell_retention(lease, act=told)

    async def _repeat(self, step: Callable[[], Awaitable[int]]) -> None:
        done = await step()
        while done:
            await asyncio.sleep(self._pause_s)
            done = await step()
