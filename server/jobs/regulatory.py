"""The job at authorities' clocks: reminders before they are due, and when they were missed."""

from collections.abc import Awaitable, Callable

from server.jobs.job import Job
from server.leases import Lease

PERIOD_S = 60
"""The shortest of these clocks has four hours: a minute late is no matter."""


def regulatory_reminding(remind: Callable[[Lease], Awaitable[int]]) -> Job:
    """Remind every minute. remind: `server.reports.analysis_desk.AnalysisDesk.remind`."""

    async def run(lease: Lease) -> None:
        await remind(lease)

    return Job("regulatory-reminders", PERIOD_S, run)
