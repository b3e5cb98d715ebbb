"""The census: what it counts is what is found for each key by itself, and it holds up nobody."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.fleet.absorbing import KnownKey, as_report
from server.fleet.advisory_file import shipped
from server.fleet.census import CensusCount, Struck
from server.fleet.census_taker import CensusTaker
from server.fleet.exposure import Affected, Exposed, judge
from server.fleet.observed import key_facts
from server.fleet.trust import Trust
from server.otp.ports import StoreUnavailableError
from server.storage.sqlite.store import SqliteStore
from tests.server.fleet_page.fleets import enrolled, open_store, seen, small_fleet, told
from tests.server.still_clock import StillClock

ADVISORIES = shipped().advisories


async def known(store: SqliteStore) -> Sequence[KnownKey]:
    return await store.fleet_known("", 1000)


async def test_what_is_counted_is_what_each_key_is(tmp_path: Path) -> None:
    async with open_store(tmp_path, StillClock()) as store:
        await small_fleet(store)
        keys = await known(store)
    count = CensusCount(ADVISORIES)
    for key in keys:
        count.add(key)
    census = count.census()
    assert census.keys == len(keys) == 5
    for advisory in ADVISORIES:
        found = [judge(advisory, key_facts(as_report(key))) for key in keys]
        assert census.struck[advisory.advisory_id] == Struck(
            sum(one.affected is Affected.YES for one in found),
            sum(one.exposed is Exposed.YES for one in found),
            sum(one.affected is Affected.UNKNOWN for one in found),
        )
    assert census.trust == {Trust.HOST_SIGNED: 5}


async def test_a_census_is_taken_once_for_many_and_again_when_it_is_old(tmp_path: Path) -> None:
    clock = StillClock()
    async with open_store(tmp_path, clock) as store:
        await small_fleet(store)
        taker = CensusTaker(store, lambda: ADVISORIES, clock=clock)
        first = await taker.look()
        assert first is not None
        assert first.census.keys == 5
        assert taker.counted is None
        await enrolled(store, "2d" * 16, "laptop-19")
        await store.take_reports([told(seen(serial=9), host="2d" * 16)])
        assert await taker.look() == first
        clock.pass_by(31)
        assert await taker.look() == first  # an old one is shown at once, while the new one begins
        async with asyncio.timeout(20):
            while (again := await taker.look()) == first:  # noqa: ASYNC110 - as a page does
                await asyncio.sleep(0)
        assert again is not None
        assert again.census.keys == 6
        await taker.close()


class Gated(SqliteStore):
    """A store whose keys are told when a test says so."""

    gate: asyncio.Event
    is_away = False

    async def fleet_known(self, after: str, limit: int) -> Sequence[KnownKey]:
        await self.gate.wait()
        if self.is_away:
            raise StoreUnavailableError("away")
        return await super().fleet_known(after, limit)


async def test_nobody_waits_for_a_long_census(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.fleet.census_taker._PATIENCE_S", 0.01)
    clock = StillClock()
    async with open_store(tmp_path, clock) as store:
        await small_fleet(store)
        store.__class__ = Gated
        assert isinstance(store, Gated)
        store.gate = asyncio.Event()
        taker = CensusTaker(store, lambda: ADVISORIES, clock=clock)
        assert await taker.look() is None
        assert taker.counted == 0
        store.gate.set()
        await looked(taker)
        # One that fails says so to who asks, and the next one begins anew.
        clock.pass_by(31)
        store.is_away = True
        await taker.look()
        with pytest.raises(StoreUnavailableError):
            await until_it_fails(taker)
        store.is_away = False
        assert await taker.look() is not None
        await taker.close()


async def looked(taker: CensusTaker) -> None:
    async with asyncio.timeout(20):
        while await taker.look() is None:  # noqa: ASYNC110 - as a page does
            await asyncio.sleep(0)


async def until_it_fails(taker: CensusTaker) -> None:
    async with asyncio.timeout(20):
        while True:
            await taker.look()
            await asyncio.sleep(0)
