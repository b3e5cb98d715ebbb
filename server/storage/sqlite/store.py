"""The embedded store, put together: hot path, directory and books on one SQLite file."""

from pathlib import Path

from server.clock import Clock
from validation.gcra import Policy


class SqliteStore:
    """HotStore, Directory, KeyBook and ClientBook on one file (being written)."""

    async def close(self) -> None:
        """Finish what was accepted, checkpoint and close."""

    async def probe(self) -> None:
        """Raise StoreUnavailableError unless the store can write now."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""

    async def set_meta(self, name: str, value: str) -> None:
        """Store a named value durably."""


async def open_sqlite(
    path: Path, *, clock: Clock, default_policy: Policy, create: bool = False
) -> SqliteStore:
    """Open the store in `path`; with `create`, an absent or empty one gets its schema.

    Raises StoreRefusedError (schema not current, SQLite too old) and StoreUnavailableError.
    """
    raise NotImplementedError
