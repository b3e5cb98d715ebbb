"""Watches how late the event loop is: whatever blocks it delays every verification (S16)."""

import asyncio
from collections.abc import Awaitable, Callable

from server.clock import Clock

INTERVAL_S = 0.1


async def watch_loop_lag(
    clock: Clock,
    note: Callable[[float], None],
    *,
    interval_s: float = INTERVAL_S,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Sleep again and again, and `note` by how many seconds each sleep was too long.

    Runs until it is cancelled. note: `Tally.lagged`, which keeps the longest since the last
    scrape. A loop that never turns notes nothing: then it is the missing scrape that tells.
    """
    while True:
        began = clock.monotonic()
        await sleep(interval_s)
        note(max(0.0, clock.monotonic() - began - interval_s))
