"""Sealed keys in memory, as octets in one table instead of as objects.

A million records as Python objects take half a gigabyte, and worse: they come to lie between the
short-lived objects of the requests that brought them. What every later request allocates is then
scattered over all that memory, and each request costs a quarter more, whatever key it is about
(docs/performance.md). A flat table takes half of the room, and the collector never looks at it.

It works as a processor's cache does: the hash of a public id names a row of eight places and the
first of them to look at, and a newcomer to a full row takes the place of one of them in turn.
There are two places for every key that is asked for, so that fewer than one in a hundred finds
its row full. The hash is keyed anew in every process, and only keys of the store come in: nobody
can aim at a row.
"""

import mmap
import struct
from typing import Final

from server.otp.ports import KeyRecord

_PLACES: Final = 8
_ID_OCTETS: Final = 16
MAX_RECORD: Final = 62
"""Octets of a sealed record that can be remembered; a longer one is read anew each time."""

_PLACE: Final = struct.Struct(f"<{_ID_OCTETS}sBBqq{MAX_RECORD}s")
"""Public id, active, octets of the record, version, generation, the record."""

_read: Final = _PLACE.unpack_from
_new: Final = tuple.__new__
_SIZE: Final = _PLACE.size
_NOBODY: Final = bytes(_ID_OCTETS)
"""Stands in a free place. A public id has letters, and this filling behind them:"""

_FILLING: Final = b"~"


class KeyMemory:
    """Room for `limit` keys (at least one); memory is taken when it is first used.

    Public ids are 0 to 16 modhex letters.
    """

    __slots__ = ("_count", "_rows", "_table", "_turn")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"room for {limit} keys cannot hold anything")
        self._rows = -(-2 * limit // _PLACES)
        # Zeroed memory of this process alone, whose pages exist from their first use on.
        self._table = mmap.mmap(
            -1, self._rows * _PLACES * _SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )
        self._count = 0
        self._turn = 0

    def __len__(self) -> int:
        return self._count

    def get(self, public_id: str) -> KeyRecord | None:
        """Return the record of a public id, or None."""
        # Every verification comes through here, and nearly always the first place is the one.
        name = public_id.encode().ljust(_ID_OCTETS, _FILLING)
        hashed = hash(public_id)
        place = (hashed % self._rows * _PLACES + (hashed >> 40 & _PLACES - 1)) * _SIZE
        found, active, octets, version, generation, record = _read(self._table, place)
        if found != name:
            place = self._find(name, hashed)
            if place < 0:
                return None
            found, active, octets, version, generation, record = _read(self._table, place)
        return _new(KeyRecord, (public_id, version, active == 1, generation, record[:octets]))

    def put(self, public_id: str, key: KeyRecord) -> None:
        """Remember a record; what does not fit into a place is not remembered."""
        name, hashed = _name(public_id), hash(public_id)
        place = self._find(name, hashed)
        if len(name) != _ID_OCTETS or len(key.record) > MAX_RECORD:
            self._clear(place)
            return
        if place < 0:
            place = self._make_room(hashed)
        octets = len(key.record)
        _PLACE.pack_into(
            self._table, place, name, key.active, octets, key.version, key.generation, key.record
        )

    def drop(self, public_id: str) -> None:
        """Forget a record, if it is there."""
        self._clear(self._find(_name(public_id), hash(public_id)))

    def _find(self, name: bytes, hashed: int) -> int:
        """Return where in the table a name stands, -1 when it is not there."""
        row = hashed % self._rows * _PLACES
        for turn in range(_PLACES):
            place = (row + ((hashed >> 40) + turn & _PLACES - 1)) * _SIZE
            if _read(self._table, place)[0] == name:
                return place
        return -1

    def _make_room(self, hashed: int) -> int:
        """Return where a newcomer is to stand: in a free place, else in somebody's."""
        free = self._find(_NOBODY, hashed)
        if free >= 0:
            self._count += 1
            return free
        self._turn = (self._turn + 1) % _PLACES
        return (hashed % self._rows * _PLACES + self._turn) * _SIZE

    def _clear(self, place: int) -> None:
        if place >= 0:
            self._table[place : place + _SIZE] = bytes(_SIZE)
            self._count -= 1


def _name(public_id: str) -> bytes:
    """Return what stands in the table for a public id."""
    return public_id.encode().ljust(_ID_OCTETS, _FILLING)
