"""The HSMs' logs while the service runs: their pumps, the jobs of these, what monitoring sees."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from server.clock import Clock
from server.foundation import Foundation
from server.hsm_log.alarms import Alarms
from server.hsm_log.pump import LogPump
from server.hsm_log.reconciler import Reconciler
from server.jobs.hsm_log import PumpJob, aead_reconciling
from server.jobs.job import Job
from server.log_pumps import log_pumps
from server.metrics.exposition import Gauge
from server.metrics.tally import Tally


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
    pumps = []
    jobs = []
    for pump, device in log_pumps(hsm, base.data, base.store, clock, tally.hsm_alarm):
        stack.push_async_callback(pump.close)
        pumps.append(pump)
        jobs.append(PumpJob(pump, device).job)
    reconciler = Reconciler(base.store, Alarms(tally.hsm_alarm))
    jobs.append(aead_reconciling(reconciler))
    return HsmAudit(jobs, _gauges(pumps, reconciler))


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
