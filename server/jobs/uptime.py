"""The jobs over what was counted: rolled up soon after midnight, removed when it is too old."""

from server.jobs.job import Job
from server.jobs.standing import DAY_S
from server.leases import Lease
from server.uptime.keeper import UptimeKeeper
from server.uptime.ports import UptimeBook

ROLL_UP_S = 15 * 60
"""A day is closed a quarter of an hour after it ended; whoever asks finds nothing to do else."""

_DAY_US = DAY_S * 1_000_000


def uptime_rollup(keeper: UptimeKeeper) -> Job:
    """Roll up the days that are past."""
    return Job("uptime-rollup", ROLL_UP_S, keeper.work)


def segments_pruning(book: UptimeBook, kept_days: int) -> Job:
    """Remove once a day the segments that are too old. The ledger keeps what committed to them."""

    async def run(lease: Lease) -> None:
        before_day = await book.store_time_us() // _DAY_US - kept_days
        while await book.prune_segments(before_day, lease):
            pass

    return Job("segments-pruning", DAY_S, run)
