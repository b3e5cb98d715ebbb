"""Reads that many share, none of them older than the question."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from server.otp.ports import StoreUnavailableError
from server.storage.gathered_reads import GatheredReads
from tests.server.faulty_store import turn


class Shelf:
    """A store of texts whose reads take a copy first and answer when released."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def read(self, idents: Sequence[str]) -> Mapping[str, str]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        found = {ident: self.records[ident] for ident in idents if ident in self.records}
        await self.gate.wait()
        return found


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def reads(shelf: Shelf) -> GatheredReads[str, str]:
    return GatheredReads(shelf.read)


async def test_different_records_asked_for_at_the_same_time_share_a_read(
    shelf: Shelf, reads: GatheredReads[str, str]
) -> None:
    shelf.records.update({name: name for name in "abc"})
    assert await asyncio.gather(*map(reads.read, "abcd")) == ["a", "b", "c", None]
    assert shelf.reads == 1


async def test_callers_at_the_same_time_share_a_read(
    shelf: Shelf, reads: GatheredReads[str, str]
) -> None:
    shelf.records["a"] = "1"
    assert await asyncio.gather(*(reads.read("a") for _ in range(50))) == ["1"] * 50
    assert shelf.reads == 1


async def test_no_caller_gets_a_read_that_began_before_it_asked(
    shelf: Shelf, reads: GatheredReads[str, str]
) -> None:
    shelf.records["a"] = "old"
    shelf.gate.clear()
    early = reads.read("a")
    await turn()
    shelf.records["a"] = "new"
    late = [reads.read("a") for _ in range(5)]
    await turn()
    shelf.gate.set()
    assert await early == "old"
    assert await asyncio.gather(*late) == ["new"] * 5
    assert shelf.reads == 2


async def test_a_failed_read_fails_those_who_shared_it_and_no_later_one(
    shelf: Shelf, reads: GatheredReads[str, str]
) -> None:
    shelf.error = StoreUnavailableError("away")
    results = await asyncio.gather(*(reads.read("a") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailableError] * 3
    shelf.error = None
    shelf.records["a"] = "1"
    assert await reads.read("a") == "1"


async def test_a_caller_that_gives_up_leaves_the_others_their_read(
    shelf: Shelf, reads: GatheredReads[str, str]
) -> None:
    shelf.records["a"] = "1"
    shelf.gate.clear()
    callers = [reads.read("a") for _ in range(3)]
    await turn()
    callers[0].cancel()
    await turn()
    shelf.gate.set()
    assert await asyncio.gather(*callers[1:]) == ["1", "1"]
    assert callers[0].cancelled()


async def test_nothing_is_read_for_callers_who_all_gave_up(
    shelf: Shelf, reads: GatheredReads[str, str]
) -> None:
    shelf.gate.clear()
    early = reads.read("a")
    await turn()
    late = reads.read("a")
    await turn()
    late.cancel()
    await turn()
    shelf.gate.set()
    assert await early is None
    await turn()
    assert shelf.reads == 1
