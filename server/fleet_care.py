"""What the fleet keeps, and for how long, put together: the desk that tells, and the job."""

from server.config import Config
from server.fleet.keeper import FleetKeeper
from server.fleet.retention import Kept
from server.fleet.retention_desk import RetentionDesk
from server.foundation import Foundation, Store
from server.jobs.fleet import fleet_retention
from server.jobs.job import Job


def kept_days(config: Config) -> Kept:
    """Return how long what is kept, as it is configured."""
    fleet = config.fleet
    return Kept(
        fleet.keys_days,
        fleet.changes_days,
        fleet.tokens_days,
        fleet.silent_days,
        fleet.hosts_days,
    )


def fleet_retention_desk(config: Config, store: Store) -> RetentionDesk:
    """Return the desk that tells what is forgotten, and when."""
    return RetentionDesk(store, kept_days(config))


def fleet_jobs(config: Config, base: Foundation) -> list[Job]:
    """Return the jobs over the fleet."""
    return [fleet_retention(FleetKeeper(base.store, kept_days(config)))]
