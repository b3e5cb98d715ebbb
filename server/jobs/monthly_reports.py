"""The job at customers' monthly reports."""

from collections.abc import Awaitable, Callable

from server.jobs.job import Job
from server.leases import Lease

PERIOD_S = 3600
"""A month is rolled up a quarter of an hour after its end, and has ten days to be sent."""


def monthly_reporting(work: Callable[[Lease], Awaitable[int]]) -> Job:
    """Send what is due. work: `server.notices.report_mail.ReportMailDesk.work`."""

    async def run(lease: Lease) -> None:
        await work(lease)

    return Job("monthly-reports", PERIOD_S, run)
