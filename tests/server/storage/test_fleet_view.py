"""The fleet as a whole in both stores: numbers, and lists to both sides."""

import pytest

from agent.report import Value
from server.fleet.health import Level
from server.fleet.paging import Place
from server.fleet.ports import Search
from server.fleet.retention import Kept, limits
from server.fleet.trouble import Trouble
from server.fleet.view_ports import HostSearch
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.keepers import Keeper
from tests.server.storage.test_fleet import OTHER, SqlStore, allow, asked, enrolled

# Nothing keeps the whole fleet in memory.
pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

THIRD, FOURTH = "2d" * 16, "3c" * 16
OLD: dict[str, Value] = {**HEALTHY, "device.firmware": "5.4.3", "piv.pin.default": True}


@pytest.fixture
async def store(keeper: Keeper) -> SqlStore:
    opened = await keeper.open()
    assert isinstance(opened, SqliteStore | PostgresStore)
    return opened


async def filled(store: SqlStore) -> None:
    """Fill a store with four hosts and six keys."""
    for host_id, name in ((HOST, "laptop-b"), (OTHER, "Laptop-A"), (THIRD, "desk-1")):
        await enrolled(store, host_id, name)
    await store.take_reports(
        [
            a_report(a_key(OLD, serial=1), a_key(serial=2), a_key({}, serial=3)),
            a_report(a_key(OLD, serial=4), a_key(OLD, serial=5), host=OTHER, sequence=3),
            a_report(host=OTHER, sequence=3, report_id="ab" * 16),
            a_report(a_key({**OLD, "piv.pin.default": False}, serial=6), host=THIRD),
        ]
    )
    await allow(store, "new", "desk-1", replaces=True)
    await store.enrol(asked(FOURTH, "desk-1", "new"))


async def marked_silent(store: SqlStore) -> None:
    """Let whoever was heard until now be silent, as after a month."""
    lease = await store.acquire_lease("fleet-retention", "one", 10**12)
    assert lease is not None
    later_us = await store.store_time_us() + 10**14
    await store.mark_silent(limits(Kept(9_000, 9_000, 9_000, 30), later_us), lease)


async def test_hosts_in_trouble_are_counted(store: SqlStore) -> None:
    assert set((await store.host_troubles()).values()) == {0}
    await filled(store)
    assert (await store.host_troubles())[Trouble.SILENT] == 0
    await marked_silent(store)
    assert await store.host_troubles() == {
        Trouble.CLASHES: 1,
        Trouble.ALTERED: 0,
        Trouble.MISSING: 1,
        Trouble.SILENT: 3,
        Trouble.NEVER: 1,
        Trouble.REPLACED: 1,
    }
    await store.erase_host(OTHER, act=ACT)
    assert (await store.host_troubles())[Trouble.CLASHES] == 0


async def test_keys_are_listed_to_both_sides(store: SqlStore) -> None:
    await filled(store)

    async def serials(place: Place, **search: object) -> list[int | None]:
        page = await store.key_page(Search(**search), place, 2)  # type: ignore[arg-type] # names
        return [known.key.serial for known in page.entries]

    assert await serials(Place()) == [1, 2]
    assert await serials(Place("serial:2")) == [3, 4]
    assert await serials(Place("serial:5", is_before=True)) == [3, 4]
    assert await serials(Place("serial:2", is_before=True)) == [1]
    assert await serials(Place(), level=Level.DANGER) == [1, 4]
    assert await serials(Place("serial:4"), level=Level.DANGER) == [5]
    assert await serials(Place("serial:5", is_before=True), rule="piv-pin-default") == [1, 4]
    assert await serials(Place(), serial=6) == [6]
    behind = Place("serial:6", is_before=True)
    assert await serials(behind, host_name="laptop-b", level=Level.DANGER) == [1]
    assert await serials(Place("serial:1"), host_name="LAPTOP-A", firmware=(5,)) == [4, 5]
    assert await serials(behind, firmware=(5, 4)) == [4, 5]
    assert await serials(behind, firmware=(5,)) == [4, 5]
    assert await serials(Place("serial:2", is_before=True), firmware=(5,)) == [1]
    assert await serials(behind, serial=4) == [4]
    assert await serials(Place("serial:4"), serial=4) == []
    first = await store.key_page(Search(), Place(), 6)
    assert (first.earlier, first.later) == (False, False)
    everything = await store.fleet_keys(Search(), "", 100)
    assert list(first.entries) == list(everything)


async def test_hosts_are_listed_by_name_to_both_sides(store: SqlStore) -> None:
    await filled(store)

    async def names(place: Place, limit: int = 10, **search: object) -> list[str]:
        page = await store.host_page(HostSearch(**search), place, limit)  # type: ignore[arg-type] # names
        return [host.name for host in page.entries]

    assert await names(Place()) == ["desk-1", "desk-1", "Laptop-A", "laptop-b"]
    assert await names(Place(), 2) == ["desk-1", "desk-1"]
    assert await names(Place(FOURTH), 2) == ["Laptop-A", "laptop-b"]
    assert await names(Place(HOST, is_before=True), 1) == ["Laptop-A"]
    assert await names(Place("ff" * 16, is_before=True), 1) == ["desk-1"]  # gone: begin anew
    assert await names(Place(), name="LAPTOP") == ["Laptop-A", "laptop-b"]
    assert await names(Place(), name="%") == []
    assert await names(Place(), trouble=Trouble.CLASHES) == ["Laptop-A"]
    assert await names(Place(), trouble=Trouble.MISSING) == ["Laptop-A"]
    assert await names(Place(), trouble=Trouble.NEVER) == ["desk-1"]
    assert await names(Place(), trouble=Trouble.REPLACED) == ["desk-1"]
    assert await names(Place(), trouble=Trouble.SILENT) == []
    await marked_silent(store)
    assert await names(Place(), trouble=Trouble.SILENT) == ["desk-1", "Laptop-A", "laptop-b"]
    await store.erase_host(HOST, act=ACT)
    assert await names(Place(), name="laptop") == ["Laptop-A"]


async def test_what_is_known_is_told_key_by_key(store: SqlStore) -> None:
    await filled(store)
    first = await store.fleet_known("", 4)
    rest = await store.fleet_known(first[-1].key_id, 4)
    listed = await store.fleet_keys(Search(), "", 100)
    assert [*first, *rest] == [known.key for known in listed]


async def test_a_host_is_found_by_its_name_however_the_accent_is_written(store: SqlStore) -> None:
    composed, decomposed = "b\u00fcro-1", "bu\u0308ro-1"
    await enrolled(store, HOST, composed)
    page = await store.host_page(HostSearch(decomposed[:4]), Place(), 9)
    assert [host.host_id for host in page.entries] == [HOST]
