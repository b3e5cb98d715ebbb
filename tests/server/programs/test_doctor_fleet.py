"""The doctor's look at the fleet."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from server.config import Config
from server.datadir import DataDirectory
from server.fleet.advisory_file import shipped
from server.fleet.retention import Kept, limits
from server.programs.doctor import Finding
from server.programs.doctor_fleet import OLD_ADVISORIES_DAYS, check_advisories, check_fleet
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.fleet.reports import HEALTHY, a_key, a_report
from tests.server.storage.entries import POLICY
from tests.server.storage.keepers import PostgresKeeper, SqliteKeeper
from tests.server.storage.test_fleet import OTHER, enrolled, take

DOOR = {"listen": {"fleet": "127.0.0.1:8082"}}


class House:
    """A data directory and its configuration."""

    def __init__(self, data: DataDirectory, store: SqliteStore | PostgresStore, url: str) -> None:
        self.data = data
        self.store = store
        self.url = url

    async def examine(self, **tables: object) -> dict[str, Finding]:
        config = Config.model_validate({"store": {"database": self.url}} | tables)
        findings = await asyncio.to_thread(lambda: list(check_fleet(self.data, config)))
        return {one.check: one for one in findings}


@pytest.fixture(params=["sqlite", "postgres"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    data = DataDirectory(tmp_path)
    keeper: SqliteKeeper | PostgresKeeper
    if request.param == "sqlite":
        keeper = SqliteKeeper(data.database_file, POLICY)
    else:
        keeper = PostgresKeeper(request.getfixturevalue("postgres_url"), POLICY)
    store = await keeper.open()
    url = "sqlite" if isinstance(keeper, SqliteKeeper) else keeper.url
    yield House(data, store, url)
    await keeper.close()


async def test_where_there_is_no_fleet_nothing_is_said(house: House) -> None:
    assert await house.examine() == {}


async def test_a_fleet_that_is_well_is_found_well(house: House) -> None:
    await enrolled(house.store)
    await take(house.store, a_report(a_key()))
    found = await house.examine(**DOOR)
    assert {one.grade for one in found.values()} == {"ok"}
    assert found["hosts"].found == "1 enrolled, 0 silent"


async def test_hosts_without_a_door_are_noticed(house: House) -> None:
    await enrolled(house.store)
    assert (await house.examine())["agents' door"].grade == "warn"


@pytest.mark.parametrize("host", ["192.0.2.9", "10.0.0.5", "fleet.example.org"])
async def test_plain_http_to_other_machines_is_a_fault(house: House, host: str) -> None:
    found = await house.examine(listen={"fleet": f"{host}:8082"})
    assert found["agents' door"].grade == "fail"
    assert "[tls]" in found["agents' door"].advice


async def test_silent_copied_and_disputed_are_told(house: House) -> None:
    await enrolled(house.store)
    await enrolled(house.store, OTHER, "laptop-18")
    other = {**HEALTHY, "device.firmware": "5.4.3"}
    clash = a_report(report_id="ab" * 16)
    await take(house.store, a_report(a_key()), a_report(a_key(other), host=OTHER), clash)
    lease = await house.store.acquire_lease("fleet-retention", "one", 10**12)
    assert lease is not None
    later = await house.store.store_time_us() + 31 * 86_400_000_000
    assert await house.store.mark_silent(limits(Kept(730, 400, 30, 30), later), lease) == 2
    found = await house.examine(**DOOR)
    for check in ("hosts", "copied hosts", "disputed keys"):
        assert found[check].grade == "warn"
        assert found[check].advice


def test_old_advisories_are_told() -> None:
    issued = shipped().issued
    assert check_advisories(issued + timedelta(OLD_ADVISORIES_DAYS)).grade == "ok"
    assert check_advisories(issued + timedelta(OLD_ADVISORIES_DAYS + 1)).grade == "warn"
    assert check_advisories(date.max).grade == "warn"
