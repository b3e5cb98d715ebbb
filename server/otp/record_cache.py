"""Records of the store as this process knows them.

Nothing here is ever the last word: a positive is confirmed by the batch (versions), and a
refusal is decided again on a record read after the request came in. So a change holds at
once everywhere, without any push of invalidations.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

Ident = TypeVar("Ident")
Record = TypeVar("Record")
Ident_contra = TypeVar("Ident_contra", contravariant=True)


class Memory(Protocol[Ident_contra, Record]):
    """Holds records, a bounded number of them: others make room for newcomers."""

    def get(self, key: Ident_contra, /) -> Record | None:
        """Return a record that is here."""
        ...

    def put(self, key: Ident_contra, value: Record, /) -> None:
        """Hold a record, in the place of the one there was."""
        ...

    def drop(self, key: Ident_contra, /) -> None:
        """Let go of a record, if it is here."""
        ...


class RecordCache(Generic[Ident, Record]):
    """Records in memory.

    load: reads one record from the store as of now, as `Directory` promises; None when there
    is none.
    """

    def __init__(
        self,
        load: Callable[[Ident], Awaitable[Record | None]],
        memory: Memory[Ident, Record],
    ) -> None:
        self._load = load
        self._records = memory

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
