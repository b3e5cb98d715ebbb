"""The fleet's retention as a job: a whole run, and one under a clock that jumped."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from server.fleet.hosts import HostState
from server.fleet.keeper import FleetKeeper
from server.fleet.retention import Kept
from server.jobs.fleet import fleet_retention
from server.jobs.runner import JobRunner
from server.jobs.standing import DAY_S
from server.journal.ports import Selection
from server.storage.sqlite.store import SqliteStore
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import SqliteKeeper
from tests.server.storage.test_fleet import OTHER, enrolled, found, known, take, today

KEPT = Kept(keys_days=200, changes_days=100, tokens_days=30, silent_days=30, hosts_days=300)


class House:
    """A store whose clock can be moved, and the job over it."""

    def __init__(self, keeper: SqliteKeeper, store: SqliteStore) -> None:
        self.keeper = keeper
        self.store = store
        self.job = fleet_retention(FleetKeeper(store, KEPT, pause_s=0))

    async def night(self, days: float = 1.0) -> None:
        """Let time pass, and the job have its turn."""
        self.keeper.clock.pass_by(days * DAY_S)
        runner = JobRunner(self.store, [self.job], holder="one", clock=self.keeper.clock)
        assert await runner.turn(self.job)

    async def nights(self, days: int) -> None:
        for _ in range(0, days, 3):
            await self.night(3)

    async def journal(self) -> list[object]:
        entries = await self.store.journal_entries(0, 100, Selection("fleet", None))
        return [entry.deed.after for entry in entries]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    keeper = SqliteKeeper(tmp_path / "keystead.db", POLICY)
    store = await keeper.open()
    await enrolled(store)
    await enrolled(store, OTHER, "laptop-18")
    day = await today(store)
    key = a_key(serial=1, last_seen=day)
    worse = a_key({**HEALTHY, "piv.pin.tries": 1}, serial=1, last_seen=day)
    await take(store, a_report(key, day=day), a_report(worse, sequence=2, day=day))
    await take(store, a_report(a_key(serial=2, last_seen=day), host=OTHER, day=day))
    yield House(keeper, store)
    await keeper.close()


async def test_what_is_too_old_goes_bit_by_bit_and_the_journal_has_the_counts(
    house: House,
) -> None:
    await house.nights(36)
    assert {host.is_silent for host in await house.store.list_hosts("", 9)} == {True}
    assert await house.journal() == [{"silent": 2, "tokens": 2}]
    await house.nights(69)
    assert (await house.journal())[-1] == {"changes": 1}
    assert len(await found(house.store)) == 2
    await house.nights(99)
    assert (await house.journal())[-1] == {"keys": 2}
    assert (await known(house.store)).state is HostState.ACTIVE
    await house.nights(99)
    assert (await house.journal())[-1] == {"hosts": 2}
    assert (await known(house.store)).state is HostState.ERASED
    before = await house.journal()
    await house.nights(9)
    assert await house.journal() == before, "a run of which nothing went is not told"


async def test_a_clock_that_jumped_empties_no_fleet(house: House) -> None:
    await house.night()
    with structlog.testing.capture_logs() as lines:
        await house.night(5_000)
    assert [line["event"] for line in lines] == ["fleet_retention_waits"]
    house.keeper.clock.set_wall(-5_000 * DAY_S)
    await house.store.acquire_lease("another", "one", 1)
    assert len(await found(house.store)) == 2
    assert (await known(house.store)).state is HostState.ACTIVE
    assert not (await known(house.store)).is_silent


async def test_a_clock_that_stays_wrong_is_believed_and_still_erases_no_host_for_a_week(
    house: House,
) -> None:
    await house.night()
    await house.night(5_000)
    await house.night()
    assert (await known(house.store)).is_silent
    assert (await known(house.store)).state is HostState.ACTIVE
    day = await today(house.store)
    await take(house.store, a_report(sequence=9, day=day))
    for _ in range(9):
        await house.night()
    assert (await known(house.store)).state is HostState.ACTIVE
    assert (await known(house.store, OTHER)).state is HostState.ERASED
    assert HOST != OTHER
