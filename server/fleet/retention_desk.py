"""The operator's desk for what the fleet forgets: what goes and when, and one key by hand."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from server.fleet.hosts import Host
from server.fleet.ports import UnknownFleetKeyError
from server.fleet.retention import DAY_US, Kept, Looked, erasure_us, limits
from server.fleet.retention_ports import Due, ForgettingBook
from server.journal.acts import Cause

MAX_HOSTS = 200


class SilentHost(NamedTuple):
    """A host that is silent or was replaced. erased_us: when it goes if it stays so, or None."""

    host: Host
    erased_us: int | None


class Plan(NamedTuple):
    """What would go now, and what goes next. hosts: at most MAX_HOSTS of them."""

    kept: Kept
    looked: Looked
    due: Due
    hosts: Sequence[SilentHost]


class RetentionDesk:
    """Tells and does. Store errors pass through."""

    def __init__(self, book: ForgettingBook, kept: Kept) -> None:
        self._book = book
        self._kept = kept
        self._turn = asyncio.Lock()

    async def plan(self) -> Plan:
        """Return what would go now, and what goes next; nothing is changed.

        It reads the whole fleet: one at a time, whoever asks how often.
        """
        async with self._turn:
            now_us = await self._book.store_time_us()
            due = await self._book.fleet_due(limits(self._kept, now_us))
            hosts = await self._book.silent_hosts(MAX_HOSTS)
            looked = await self._book.last_retention()
        shown = [SilentHost(host, erasure_us(host, self._kept)) for host in hosts]
        return Plan(self._kept, looked, due, shown)

    async def erase_key(self, key_id: str, *, cause: Cause) -> None:
        """Forget a key with everything about it. UnknownFleetKeyError."""
        if not await self._book.erase_fleet_key(key_id, act=cause.act("fleet-key.erase")):
            raise UnknownFleetKeyError(key_id)


def after_us(start_us: int | None, days: int | None) -> int | None:
    """Return when something of this age goes; None: never, or there is nothing."""
    return None if start_us is None or days is None else start_us + days * DAY_US
