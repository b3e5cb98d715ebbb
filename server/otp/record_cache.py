"""Records of the store as this process knows them.

Nothing here is ever the last word: a positive is confirmed by the batch (versions), and a
refusal is decided again on a record read after the request came in. So a change holds at
once everywhere, without any push of invalidations.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from server.otp.bounded_map import BoundedMap

Ident = TypeVar("Ident", bound=Hashable)
Record = TypeVar("Record")


class RecordCache(Generic[Ident, Record]):
    """At most `limit` records in memory, least recently used ones forgotten first.

    load: reads one record from the store as of now, as `Directory` promises; None when there
    is none.
    """

    def __init__(self, load: Callable[[Ident], Awaitable[Record | None]], *, limit: int) -> None:
        self._load = load
        self._records: BoundedMap[Ident, Record] = BoundedMap(limit)

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

        An absent record is not remembered. Raises what the load raises.
        """
        record = await self._load(ident)
        if record is None:
            self._records.drop(ident)
        else:
            self._records.put(ident, record)
        return record
