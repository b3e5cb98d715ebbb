"""A store that was moved away, or is being moved here, is not served from."""

from typing import Protocol

from server.storage.refusals import MovedStoreError
from server.storage.schema import MOVE_UNDER_WAY, MOVED_TO


class Meta(Protocol):
    """Named values of a store."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        ...


async def refuse_moved(store: Meta) -> None:
    """Raise MovedStoreError if others go on where this store ends, or have not begun here yet."""
    if (target := await store.meta(MOVED_TO)) is not None:
        raise MovedStoreError(
            f"this store was moved to {target}: its counters are old, so OTPs that were used since"
            " would be accepted again. Set store.database to the new one"
        )
    if await store.meta(MOVE_UNDER_WAY) is not None:
        raise MovedStoreError(
            "a move to this database has not come to its end: run `keystead store move` again, on"
            " the machine that has the embedded store"
        )
