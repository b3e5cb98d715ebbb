"""The PostgreSQL store, put together: hot path, directory and books on one database."""

from validation.gcra import Policy


class PostgresStore:
    """HotStore, Directory, KeyBook and ClientBook on one database (being written)."""

    async def close(self) -> None:
        """Finish what was accepted and close."""

    async def probe(self) -> None:
        """Raise StoreUnavailableError unless the store can write now."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""

    async def set_meta(self, name: str, value: str) -> None:
        """Store a named value durably."""


async def open_postgres(
    dsn: str, *, default_policy: Policy, create: bool = False, command_timeout_s: float = 5.0
) -> PostgresStore:
    """Connect to `dsn`; with `create`, an empty database gets its schema.

    Raises StoreRefusedError (password in the URL, unsafe settings, schema not current)
    and StoreUnavailableError.
    """
    raise NotImplementedError
