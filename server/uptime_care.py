"""What was kept of the promise, put together: the desk that tells, and the jobs that roll it up."""

from collections.abc import Mapping

from server.config import Config
from server.foundation import Foundation, Store
from server.jobs.job import Job
from server.jobs.uptime import segments_pruning, uptime_rollup
from server.ledger.entry import Kind
from server.uptime.desk import UptimeDesk
from server.uptime.keeper import UptimeKeeper


def uptime_desk(config: Config, store: Store) -> UptimeDesk:
    """Return the desk that tells what was kept of the promise."""
    return UptimeDesk(
        store,
        store,
        min_requests=config.availability.min_requests,
        left_out=frozenset(config.usage.left_out),
        notice_s=config.maintenance.notice_seconds,
    )


def kept_payloads(config: Config) -> Mapping[Kind, int]:
    """Return for how many days payloads of the ledger are kept, where they may name people."""
    kept = config.ledger
    return {
        Kind.INCIDENT: kept.incidents_days,
        Kind.NOTICE: kept.notices_days,
        Kind.REPORT: kept.reports_days,
    }


def uptime_jobs(config: Config, base: Foundation) -> list[Job]:
    """Return the jobs over what was counted."""
    keeper = UptimeKeeper(
        base.store,
        min_requests=config.availability.min_requests,
        left_out=config.usage.left_out,
        kept_days=config.usage.kept_days,
        notice_s=config.maintenance.notice_seconds,
    )
    return [uptime_rollup(keeper), segments_pruning(base.store, config.availability.kept_days)]
