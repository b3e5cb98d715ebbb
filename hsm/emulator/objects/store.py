"""The device's storage: 256 objects in 1024 pages."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

from hsm.emulator.objects.record import PAGE_SIZE, Record
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError

OBJECTS = 256
PAGES = 1024
HIGHEST_ID = 0xFFFE
_SEQUENCES = 256

Key = tuple[Kind, int]


class Store:
    """Objects by kind and id. What is in it was allowed by somebody else: this one only counts."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._records: dict[Key, Record] = {}
        self._written: dict[Key, int] = {}

    def __iter__(self) -> Iterator[Record]:
        """Walk over the objects in the order of kinds and ids."""
        return (self._records[key] for key in sorted(self._records))

    def __len__(self) -> int:
        """Return how many objects there are."""
        return len(self._records)

    def get(self, kind: Kind, object_id: int) -> Record | None:
        """Return an object, or None."""
        return self._records.get((kind, object_id))

    def add(self, record: Record) -> Record:
        """Store a new object, under a free id when its own is 0. Returns what was stored.

        RefusedError: INVALID_ID, OBJECT_EXISTS, STORAGE_FAILED when it is full.
        """
        object_id = record.object_id or self._free_id(record.kind)
        if object_id > HIGHEST_ID:
            raise RefusedError(Refusal.INVALID_ID)
        key = (record.kind, object_id)
        if key in self._records:
            raise RefusedError(Refusal.OBJECT_EXISTS)
        if len(self._records) >= OBJECTS or self._used_pages() + record.pages > PAGES:
            raise RefusedError(Refusal.STORAGE_FAILED)
        return self._write(key, replace(record, object_id=object_id))

    def change(self, record: Record) -> Record:
        """Write an object that is there anew."""
        return self._write((record.kind, record.object_id), record)

    def remove(self, record: Record) -> None:
        """Delete an object. Its id remembers how often it was written."""
        del self._records[record.kind, record.object_id]

    def usage(self) -> bytes:
        """Write GET_STORAGE_INFO's reply: objects and pages, all and free, and a page's size."""
        free = OBJECTS - len(self._records), PAGES - self._used_pages()
        return struct.pack("!5H", OBJECTS, free[0], PAGES, free[1], PAGE_SIZE)

    def written(self) -> dict[Key, int]:
        """Return how often each id was written, deleted ones included."""
        return dict(self._written)

    def restore(self, records: list[Record], written: dict[Key, int]) -> None:
        """Put back what was saved."""
        self._records = {(record.kind, record.object_id): record for record in records}
        self._written = dict(written)

    def _write(self, key: Key, record: Record) -> Record:
        count = self._written.get(key, 0)
        record.sequence = count % _SEQUENCES
        self._written[key] = count + 1
        self._records[key] = record
        return record

    def _used_pages(self) -> int:
        return sum(record.pages for record in self._records.values())

    def _free_id(self, kind: Kind) -> int:
        while True:
            object_id = int.from_bytes(self._random(2))
            if 0 < object_id <= HIGHEST_ID and (kind, object_id) not in self._records:
                return object_id
