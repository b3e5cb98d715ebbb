"""Memory that never answers for the store."""

import pytest

from server.otp.bounded_map import BoundedMap
from server.otp.record_cache import RecordCache


class Shelf:
    """A store of texts."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}

    async def load(self, ident: str) -> str | None:
        return self.records.get(ident)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def cache(shelf: Shelf) -> RecordCache[str, str]:
    return RecordCache(shelf.load, BoundedMap(3))


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
    cache.forget("a")
    cache.forget("unknown")
    assert cache.held("a") is None
