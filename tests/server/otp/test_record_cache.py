"""Reads that many share, and memory that never answers for the store."""

import asyncio

import pytest

from server.otp.ports import StoreUnavailableError
from server.otp.record_cache import RecordCache
from tests.server.faulty_store import turn


class Shelf:
    """A store of texts whose reads take a copy first and answer when released."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def load(self, ident: str) -> str | None:
        self.reads += 1
        if self.error is not None:
            raise self.error
        record = self.records.get(ident)
        await self.gate.wait()
        return record


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def cache(shelf: Shelf) -> RecordCache[str, str]:
    return RecordCache(shelf.load, limit=3)


async def test_a_record_read_is_held_and_an_absent_one_is_not(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.records["a"] = "1"
    assert await cache.reload("a") == "1"
    assert cache.held("a") == "1"
    assert await cache.reload("b") is None
    assert cache.held("b") is None
    del shelf.records["a"]
    assert await cache.reload("a") is None
    assert cache.held("a") is None


async def test_callers_at_the_same_time_share_a_read(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.records["a"] = "1"
    assert await asyncio.gather(*(cache.reload("a") for _ in range(50))) == ["1"] * 50
    assert shelf.reads == 1


async def test_no_caller_gets_a_read_that_began_before_it_asked(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.records["a"] = "old"
    shelf.gate.clear()
    early = asyncio.create_task(cache.reload("a"))
    await turn()
    shelf.records["a"] = "new"
    late = [asyncio.create_task(cache.reload("a")) for _ in range(5)]
    await turn()
    shelf.gate.set()
    assert await early == "old"
    assert await asyncio.gather(*late) == ["new"] * 5
    assert shelf.reads == 2
    assert cache.held("a") == "new"


async def test_a_failed_read_fails_those_who_shared_it_and_no_later_one(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.error = StoreUnavailableError("away")
    results = await asyncio.gather(*(cache.reload("a") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailableError] * 3
    shelf.error = None
    shelf.records["a"] = "1"
    assert await cache.reload("a") == "1"


async def test_a_caller_that_gives_up_leaves_the_others_their_read(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.records["a"] = "1"
    shelf.gate.clear()
    callers = [asyncio.create_task(cache.reload("a")) for _ in range(3)]
    await turn()
    callers[0].cancel()
    await turn()
    shelf.gate.set()
    assert await asyncio.gather(*callers[1:]) == ["1", "1"]
    assert callers[0].cancelled()


async def test_nothing_is_read_for_callers_who_all_gave_up(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.gate.clear()
    early = asyncio.create_task(cache.reload("a"))
    await turn()
    late = asyncio.create_task(cache.reload("a"))
    await turn()
    late.cancel()
    await turn()
    shelf.gate.set()
    assert await early is None
    await turn()
    assert shelf.reads == 1


async def test_a_reader_that_is_torn_down_leaves_nobody_waiting(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.gate.clear()
    callers = [asyncio.create_task(cache.reload("a"))]
    await turn()
    callers.append(asyncio.create_task(cache.reload("a")))
    await turn()
    for reader in cache._readers:
        reader.cancel()
    for caller in callers:
        with pytest.raises(asyncio.CancelledError):
            await caller
    shelf.gate.set()
    assert await cache.reload("a") is None


async def test_the_least_recently_used_records_make_room(
    shelf: Shelf, cache: RecordCache[str, str]
) -> None:
    shelf.records.update({name: name for name in "abcd"})
    for name in "abc":
        await cache.reload(name)
    assert cache.held("a") == "a"
    await cache.reload("d")
    assert cache.held("b") is None
    assert (cache.held("a"), cache.held("c"), cache.held("d")) == ("a", "c", "d")
    assert len(cache) == 3
    cache.forget("a")
    cache.forget("unknown")
    assert cache.held("a") is None
