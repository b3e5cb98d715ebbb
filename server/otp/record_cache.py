"""Records of the store as this process knows them, and reads that many requests share.

Nothing here is ever the last word: a positive is confirmed by the batch (versions), and a
refusal is decided again on a record read after the request came in. So a change holds at
once everywhere, without any push of invalidations.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from server.otp.bounded_map import BoundedMap

Ident = TypeVar("Ident", bound=Hashable)
Record = TypeVar("Record")


class RecordCache(Generic[Ident, Record]):
    """At most `limit` records in memory, least recently used ones forgotten first.

    load: reads one record from the store; None when there is none.
    """

    def __init__(self, load: Callable[[Ident], Awaitable[Record | None]], *, limit: int) -> None:
        self._load = load
        self._records: BoundedMap[Ident, Record] = BoundedMap(limit)
        self._waiting: dict[Ident, list[asyncio.Future[Record | None]]] = {}
        self._readers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._records)

    def held(self, ident: Ident) -> Record | None:
        """Return what is in memory, possibly out of date, or None."""
        return self._records.get(ident)

    def forget(self, ident: Ident) -> None:
        """Drop a record that proved useless, so that the next request reads it anew."""
        self._records.drop(ident)

    async def reload(self, ident: Ident) -> Record | None:
        """Return the store's record as of a read that began after this call.

        Callers share reads, but never one that was already under way: it may have begun
        before the change the caller relies on. An absent record is not remembered.
        Raises what the load raises.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Record | None] = loop.create_future()
        waiting = self._waiting.get(ident)
        if waiting is None:
            self._waiting[ident] = [future]
            reader = loop.create_task(self._read(ident))
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        else:
            waiting.append(future)
        return await future

    async def _read(self, ident: Ident) -> None:
        while waiting := [future for future in self._waiting[ident] if not future.done()]:
            self._waiting[ident] = []  # whoever asks from here on gets the next read
            try:
                record = await self._load(ident)
            except Exception as error:  # noqa: BLE001 - a task's boundary: the callers raise it
                _fail(waiting, error)
            except BaseException:
                self._abandon(ident, waiting)
                raise
            else:
                if record is None:
                    self._records.drop(ident)
                else:
                    self._records.put(ident, record)
                for future in waiting:
                    if not future.done():
                        future.set_result(record)
        del self._waiting[ident]

    def _abandon(self, ident: Ident, waiting: list[asyncio.Future[Record | None]]) -> None:
        """Release everybody when the loop is torn down under a read."""
        for future in (*waiting, *self._waiting.pop(ident)):
            future.cancel()


def _fail(waiting: list[asyncio.Future[Record | None]], error: Exception) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(error)
            future.exception()  # seen: a caller that just gave up must not raise a warning
