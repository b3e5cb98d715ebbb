"""What Prometheus sees of the fleet: counted in the store, and nobody is named."""

import asyncio
from contextlib import AsyncExitStack

from server.fleet.retention_ports import Census
from server.fleet_door import fleet_families
from server.fleet_watch import FleetWatch, watch_fleet
from server.otp.ports import StoreUnavailableError
from server.web.fleet import OUTCOMES


class Book:
    """Counts as it is told; away while it is None."""

    def __init__(self, census: Census | None) -> None:
        self.census = census
        self.asked = asyncio.Event()

    async def fleet_census(self) -> Census:
        self.asked.set()
        if self.census is None:
            raise StoreUnavailableError("away")
        return self.census


def shown(watch: FleetWatch) -> dict[str, float]:
    return {
        sample.name + str(sorted(sample.labels.values())): sample.value
        for family in watch.families()
        for sample in family.samples
    }


async def test_hosts_and_keys_are_counted() -> None:
    watch = FleetWatch(Book(Census(hosts=9, silent=2, clashed=1, keys=20, disputed=3)))
    assert shown(watch) == {}
    await watch.look()
    assert shown(watch) == {
        "keystead_fleet_hosts['reporting']": 7,
        "keystead_fleet_hosts['silent']": 2,
        "keystead_fleet_hosts_clashed[]": 1,
        "keystead_fleet_keys[]": 20,
        "keystead_fleet_keys_disputed[]": 3,
    }


async def test_a_store_that_is_away_leaves_the_last_count() -> None:
    book = Book(Census(1, 0, 0, 1, 0))
    watch = FleetWatch(book)
    await watch.look()
    before, book.census = shown(watch), None
    await watch.look()
    assert shown(watch) == before


async def test_counting_begins_at_once_and_ends_with_the_service() -> None:
    book = Book(Census(1, 0, 0, 1, 0))
    async with AsyncExitStack() as stack:
        families = await watch_fleet(stack, book)
        await book.asked.wait()
        assert list(families())
    assert len(asyncio.all_tasks()) == 1


def test_every_outcome_is_there_before_it_happens() -> None:
    (family,) = fleet_families({"new": 3})
    counted = {sample.labels["outcome"]: sample.value for sample in family.samples}
    assert counted == {**dict.fromkeys(OUTCOMES, 0), "new": 3}
