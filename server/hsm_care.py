"""What a process that owns the store does for its HSM: keeps its log, watches it, shows it.

An installation that moves from a key file gets its HSM while it serves; from then on the same is
done as if it had begun with one. Until then there is nothing to do and nothing to show.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from server.clock import Clock
from server.config import Config
from server.foundation import Foundation
from server.hsm_doors import open_hsm_door
from server.hsm_watch import HsmWatch, Seen
from server.jobs.runner import run_jobs
from server.metrics.exposition import Gauge
from server.metrics.tally import Tally
from server.web.ops import Check, Note, NotReadyError

if TYPE_CHECKING:
    from server.hsm_host import HsmHost, Identified


class HsmCare:
    """Looks after a process's HSM, from when there is one.

    tally: where alarms are counted. checks, notes: of readiness; they fill when there is an HSM.
    """

    def __init__(self, config: Config, base: Foundation, clock: Clock, tally: Tally) -> None:
        self._config = config
        self._base = base
        self._clock = clock
        self._tally = tally
        self._gauges: Sequence[Gauge] = ()
        self._watched: HsmWatch | None = None
        self.checks: dict[str, Check] = {}
        self.notes: dict[str, Note] = {}

    async def begin(
        self, stack: AsyncExitStack, listener: socket.socket | None, *, watches: bool = True
    ) -> None:
        """Look after the HSM until `stack` ends: now, or from when there is one.

        listener: where the embedded HSM is to be found by others, if that is wanted; watches:
        whether there is monitoring to tell. Raises PrivateFileError.
        """
        # A stack in its place: what begins late ends as if it had begun now.
        place = await stack.enter_async_context(AsyncExitStack())
        is_late = self._base.keys.hsm is None

        async def begin(hsm: "HsmHost") -> None:
            async with AsyncExitStack() as begun:  # all of it, or nothing
                if is_late:
                    await self._make_room(hsm)
                gauges = self._keep_logs(begun, hsm)
                await open_hsm_door(begun, self._base, listener)
                if watches:
                    self._show(self._watch(begun, hsm), gauges)
                place.push_async_callback(begun.pop_all().aclose)

        await self._base.keys.with_hsm(begin)

    # Late imports: an installation with a key file starts without the HSM's library.
    async def _make_room(self, hsm: "HsmHost") -> None:
        """Next it is asked for data keys, which a device with a full log would refuse."""
        from server.hsm_audit import carry_logs_away  # noqa: PLC0415 - as said above

        await carry_logs_away(self._base.store, hsm, self._base.data, self._clock)

    def _keep_logs(self, stack: AsyncExitStack, hsm: "HsmHost") -> Sequence[Gauge]:
        from server.hsm_audit import audit_hsm  # noqa: PLC0415 - as said above

        audit = audit_hsm(stack, self._base, hsm, self._clock, self._tally)
        run_jobs(stack, self._base.store, self._clock, audit.jobs)
        return audit.gauges

    def _watch(self, stack: AsyncExitStack, hsm: "HsmHost") -> HsmWatch:
        """Announce the devices, and ask them now and then."""
        for identified in hsm.identified:
            identified.announce()
        production = self._config.environment == "production"
        watch = HsmWatch(hsm, self._config.hsm, production=production)
        loop = asyncio.get_running_loop()
        # Other machines on this store may change the data keys, too.
        for work in (watch.watch(), self._base.keys.watch()):
            stack.callback(loop.create_task(work).cancel)
        return watch

    def _show(self, watch: HsmWatch, gauges: Sequence[Gauge]) -> None:
        """In sealed mode serving goes on without the HSM: a note says so, and it stays ready."""

        async def answers() -> None:
            if watch.is_strict and watch.trouble:
                raise NotReadyError(watch.trouble)

        def away() -> str:
            return watch.note or ("" if watch.is_strict else watch.trouble)

        self.checks["hsm"] = answers
        self.notes["hsm"] = away
        self._watched = watch
        self._gauges = [
            *gauges,
            Gauge("keystead_hsm_up", "HSMs that answer.", lambda: watch.up),
            Gauge("keystead_hsm_devices", "HSMs that are configured.", lambda: watch.devices),
        ]

    @property
    def standing(self) -> tuple[int, int]:
        """How many HSMs answer, and how many there are; none where nobody watches them."""
        watched = self._watched
        return (0, 0) if watched is None else (watched.up, watched.devices)

    def families(self) -> Iterator[Metric]:
        """Yield what metrics show of the HSMs: nothing of an installation with a key file."""
        for gauge in self._gauges:
            yield GaugeMetricFamily(gauge.name, gauge.text, value=gauge.read())
        if self._watched is not None:
            yield _devices(self._watched.seen)
        hsm = self._base.keys.hsm
        if hsm is not None and hsm.identified:
            yield _info(hsm.identified, self._config.hsm.mode)


def _devices(seen: Sequence[Seen]) -> Metric:
    """Return which of several devices is out. The address tells apart those never seen."""
    metric = GaugeMetricFamily(
        "keystead_hsm_device_up", "1 while the HSM answers.", labels=["address", "serial"]
    )
    for one in seen:
        metric.add_metric([one.where, "" if one.serial is None else str(one.serial)], one.up)
    return metric


def _info(identified: "Sequence[Identified]", mode: str) -> Metric:
    """Return what each HSM is, for everybody to see: above all whether it is a real one."""
    labels = ["firmware", "genuine", "kind", "mode", "part_number", "serial"]
    metric = InfoMetricFamily("keystead_hsm", "The HSMs that were checked.", labels=labels)
    for one in identified:
        genuine = "true" if one.kind == "hardware" else "false"
        said = [one.firmware, genuine, one.kind, mode, one.part_number, str(one.serial)]
        metric.add_metric(said, {})
    return metric
