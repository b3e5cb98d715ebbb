"""Works at a rotation of the vault's keys while one stands: soon after it begins, on one machine.

No job of the runner's: nobody should ask for a lease every few seconds all year long. Here a value
of the store is read, and only if a rotation stands a lease is asked for.
"""

import asyncio

import structlog

from server.jobs.job import Job
from server.jobs.runner import JobRunner
from server.resealing.rotator import Rotator

_log = structlog.stdlib.get_logger(__name__)

LEASE = "vault-rotation"
LOOK_EVERY_S = 2.0


def resealing(rotator: Rotator) -> Job:
    """Return the work as a job: as often as a rotation stands."""
    return Job(LEASE, 1, rotator.work)


async def watch_rotation(rotator: Rotator, runner: JobRunner) -> None:
    """Look for a rotation and work at it, until cancelled. What fails is tried again."""
    job = resealing(rotator)
    while True:
        try:
            if await rotator.is_wanted():
                await runner.turn(job)
        except Exception as fault:  # noqa: BLE001 - the store is away, or the value is damaged
            _log.error("rotation_not_looked_for", error=str(fault))
        await asyncio.sleep(LOOK_EVERY_S)
