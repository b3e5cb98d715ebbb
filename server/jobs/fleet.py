"""The job over the fleet: what it has kept for long enough is forgotten once a day."""

from server.fleet.keeper import FleetKeeper
from server.jobs.job import Job
from server.jobs.standing import DAY_S


def fleet_retention(keeper: FleetKeeper) -> Job:
    """Forget what is too old, and mark hosts that have fallen silent."""
    return Job("fleet-retention", DAY_S, keeper.work)
