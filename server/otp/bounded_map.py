"""A map that never grows past its limit: the least recently used entry makes room."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedMap(Generic[Key, Value]):
    """At most `limit` entries; whoever floods it pushes out the idle, not the busy."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a map bounded to {limit} entries cannot hold anything")
        self._limit = limit
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return the entry, which counts as a use, or None."""
        entries = self._entries
        value = entries.get(key)
        if value is not None:
            entries.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Store an entry as the most recently used one."""
        entries = self._entries
        entries[key] = value
        entries.move_to_end(key)
        if len(entries) > self._limit:
            entries.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Forget an entry, if it is there."""
        self._entries.pop(key, None)
