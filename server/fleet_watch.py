"""How the fleet is, counted every few minutes for Prometheus: who is silent, what is disputed."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric

from server.fleet.retention_ports import Census, CensusBook
from server.otp.ports import StoreError

COUNT_EVERY_S = 300.0
"""All hosts are read for it, beside everybody else: seldom."""

_log = structlog.stdlib.get_logger(__name__)


class FleetWatch:
    """Keeps the last census; None before the first one."""

    def __init__(self, book: CensusBook, *, every_s: float = COUNT_EVERY_S) -> None:
        self.census: Census | None = None
        self._book = book
        self._every_s = every_s

    async def look(self) -> None:
        """Count once. A store that is away leaves the last count."""
        try:
            self.census = await self._book.fleet_census()
        except StoreError as error:
            _log.warning("fleet_not_counted", reason=str(error))

    async def watch(self) -> None:
        """Count until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    def families(self) -> Iterator[Metric]:
        """Yield what was counted. No label names a host or a key."""
        census = self.census
        if census is None:
            return
        hosts = GaugeMetricFamily(
            "keystead_fleet_hosts",
            "Active hosts, by whether they reported lately.",
            labels=["state"],
        )
        hosts.add_metric(["reporting"], census.hosts - census.silent)
        hosts.add_metric(["silent"], census.silent)
        yield hosts
        for name, text, value in (
            ("keystead_fleet_hosts_clashed", "Hosts of which a number came twice.", census.clashed),
            ("keystead_fleet_keys", "Keys that hosts reported.", census.keys),
            ("keystead_fleet_keys_disputed", "Keys that hosts differ about.", census.disputed),
        ):
            yield GaugeMetricFamily(name, text, value=value)


async def watch_fleet(stack: AsyncExitStack, book: CensusBook) -> Callable[[], Iterator[Metric]]:
    """Count until `stack` ends; return how to ask what was counted."""
    watch = FleetWatch(book)
    task = asyncio.get_running_loop().create_task(watch.watch())

    async def stop() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)
    return watch.families
