"""What a process that owns the store does for incidents: the desk, the rules, the reminders.

The job runs on one machine at a time; each machine watches its own redundancy.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from server.clock import Clock
from server.config import Config
from server.foundation import Foundation
from server.incidents.business_calendar import Entity
from server.incidents.clocks import Reading
from server.incidents.desk import IncidentDesk
from server.incidents.holiday_calendars import DEFAULT, HolidayCalendar
from server.incidents.ports import IncidentBook
from server.incidents.record import Origin
from server.incidents.rules import Standing
from server.incidents.schedule import Schedule
from server.jobs.incidents import BurnWatch, IncidentJob, RedundancyWatch
from server.jobs.job import Job


def incident_desk(config: Config, base: Foundation) -> IncidentDesk:
    """Return the desk for incidents, with the calendar that is configured."""
    return desk_over(config, base.store)


def desk_over(config: Config, book: IncidentBook) -> IncidentDesk:
    """Return the same for a process that has a store and no more."""
    given = config.incidents
    entity = Entity(given.entity)
    holidays = HolidayCalendar(given.calendar) if given.calendar else DEFAULT[entity]
    return IncidentDesk(book, Schedule(entity, holidays, Reading(given.reading)))


def incident_job(config: Config, base: Foundation) -> Job:
    """Return the job that opens incidents by rule and reminds of their clocks."""
    rules = {Origin(rule) for rule in config.incidents.rules}
    desk = incident_desk(config, base)
    return IncidentJob(desk, base.store, _burns(config, base), rules=rules).job


def watch_redundancy(
    stack: AsyncExitStack,
    config: Config,
    base: Foundation,
    clock: Clock,
    *,
    workers: Callable[[], int],
    hsms: Callable[[], tuple[int, int]],
) -> None:
    """Watch until `stack` ends that nothing is missing here while the rest serves.

    workers: how many accept requests; hsms: how many answer, and how many there are.
    """
    if Origin.LOST_REDUNDANCY.value not in config.incidents.rules:
        return

    async def standings() -> Sequence[Standing]:
        found = [
            Standing("workers", workers(), config.workers),
            Standing("HSMs", *hsms()),
        ]
        if config.store.replicas:
            standbys = await base.store.standbys()
            found.append(Standing("databases", 1 + standbys, 1 + config.store.replicas))
        return found

    watch = RedundancyWatch(
        incident_desk(config, base),
        _burns(config, base),
        standings,
        clock=clock,
        where=socket.gethostname(),
    )
    task = asyncio.get_running_loop().create_task(watch.run())
    stack.callback(task.cancel)


def _burns(config: Config, base: Foundation) -> BurnWatch:
    return BurnWatch(
        base.store,
        base.store,
        left_out=frozenset(config.usage.left_out),
        notice_s=config.maintenance.notice_seconds,
    )
