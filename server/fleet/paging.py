"""Pages of long lists, to both sides of a place in them. Pure."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Place(NamedTuple):
    """Where a page lies: behind the entry with this id, or before it. "": at the very start."""

    entry: str = ""
    is_before: bool = False


class Page(NamedTuple, Generic[T]):
    """A part of a list, in its order. earlier, later: whether there is more on that side."""

    entries: Sequence[T]
    earlier: bool
    later: bool


def cut(found: Sequence[T], place: Place, limit: int) -> Page[T]:
    """Return a page of what was found from a place on, away from it, one more than the limit.

    Whoever came from an entry knows that it is there.
    """
    entries, more = found[:limit], len(found) > limit
    if place.is_before:
        return Page(tuple(reversed(entries)), earlier=more, later=True)
    return Page(tuple(entries), earlier=bool(place.entry), later=more)
