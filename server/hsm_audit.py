"""The HSMs' logs while the service runs: their pumps, the jobs of these, what monitoring sees."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

import structlog

from hsm import journalkey
from hsm.audit.rules import Rules
from hsm.audit.source import AuditedDevice
from hsm.device.line import Device
from hsm.vault import VaultError
from server.clock import Clock
from server.datadir import DataDirectory
from server.foundation import Foundation, MakeRoom, Store
from server.hsm_log.alarms import Alarms
from server.hsm_log.pump import MARK, LogPump
from server.hsm_log.reconciler import Reconciler
from server.jobs.hsm_log import PumpJob, aead_reconciling
from server.jobs.job import Job
from server.metrics.exposition import Gauge
from server.metrics.tally import Tally
from server.safeguards import installation

if TYPE_CHECKING:
    from server.hsm_host import HsmHost

_LEASE_US = 30_000_000

_log = structlog.stdlib.get_logger(__name__)


class HsmAudit(NamedTuple):
    """What a process that has the HSM does with its logs; empty with a key file."""

    jobs: Sequence[Job] = ()
    gauges: Sequence[Gauge] = ()


def audit_hsm(stack: AsyncExitStack, base: Foundation, clock: Clock, tally: Tally) -> HsmAudit:
    """Return the jobs and gauges of the HSMs' logs; `stack` ends what the jobs have left open.

    It has to be entered before the jobs, so that it is left after them. Raises PrivateFileError.
    """
    hsm = base.keys.hsm
    if hsm is None:
        return HsmAudit()
    alarms = Alarms(tally.hsm_alarm)
    make = _maker(base.store, hsm, base.data, clock, alarms)
    pumps = []
    jobs = []
    for device in hsm.devices.all:
        pump = make(device)
        stack.push_async_callback(pump.close)
        pumps.append(pump)
        # Every machine that reaches a device by this address takes turns at it.
        jobs.append(PumpJob(pump, _name(hsm, base.data, device)).job)
    reconciler = Reconciler(base.store, alarms)
    jobs.append(aead_reconciling(reconciler))
    return HsmAudit(jobs, _gauges(pumps, reconciler))


def room_maker(data: DataDirectory, clock: Clock) -> MakeRoom:
    """Return what empties the HSMs' logs before a store is opened."""

    async def make_room(store: Store, hsm: "HsmHost") -> None:
        await carry_logs_away(store, hsm, data, clock)

    return make_room


async def carry_logs_away(store: Store, hsm: "HsmHost", data: DataDirectory, clock: Clock) -> None:
    """Empty logs that are filling before a process asks for what is logged.

    Commands are short, and a service was perhaps killed: without this a device that has to log
    and cannot would refuse to unwrap the data keys, and no pump would ever run. Raises VaultError.
    """
    make = _maker(store, hsm, data, clock, Alarms(Tally.in_memory().hsm_alarm))
    for device in hsm.devices.all:
        source = AuditedDevice(device, hsm.login("auditor"))
        try:
            if (await asyncio.to_thread(source.used)).entries < MARK:
                continue
        except VaultError as error:
            # One that is away, or not as it should be, keeps nobody from starting with another.
            _log.warning("hsm_log_not_read", error=str(error))
            continue
        name = f"hsm-log-{_name(hsm, data, device)}"
        lease = await store.acquire_lease(name, f"{installation(data)}-start", _LEASE_US)
        if lease is None:
            continue  # whoever has it empties the log
        pump = make(device)
        try:
            await pump.turn(lease, now=True)
        finally:
            await pump.close()
            await store.rest_lease(lease)


def _name(hsm: "HsmHost", data: DataDirectory, device: Device) -> str:
    """Name a device, the same on every machine that reaches it."""
    return installation(data) if hsm.is_embedded else device.where


def _maker(
    store: Store, hsm: "HsmHost", data: DataDirectory, clock: Clock, alarms: Alarms
) -> Callable[[Device], LogPump]:
    """Return what makes a device's pump."""
    key = data.journal_key_file
    signer = (journalkey.load if key.exists() else journalkey.create)(key)
    node = installation(data)

    def make(device: Device) -> LogPump:
        return LogPump(
            AuditedDevice(device, hsm.login("auditor")),
            folder=data.hsm_log,
            signer=signer,
            rules=Rules.of(hsm.manifest, boots=hsm.is_embedded),
            book=store,
            node=node,
            clock=clock,
            alarms=alarms,
        )

    return make


def _gauges(pumps: Sequence[LogPump], reconciler: Reconciler) -> list[Gauge]:
    """Return gauges. A machine whose turn at a shared device it is not shows what it saw last."""

    def used() -> float:
        return max((pump.used.entries for pump in pumps if pump.used is not None), default=0)

    return [
        Gauge("keystead_hsm_log_entries", "Entries in the fullest HSM's log, of 62.", used),
        Gauge(
            "keystead_hsm_log_age_seconds",
            "How long ago an HSM's log was last seen to be in order, or carried away.",
            lambda: max(pump.age_s for pump in pumps),
        ),
        Gauge(
            "keystead_hsm_aeads_unaccounted",
            "AEADs created in HSMs minus keys stored with one.",
            lambda: reconciler.unaccounted or 0,
        ),
    ]
