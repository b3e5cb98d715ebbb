"""One connection, kept open and opened anew when it broke: a lane to the database.

A pool would reset its connection after each use, a round trip of its own; the hot path has
one batch in flight anyway.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg  # type: ignore[import-untyped] # the driver ships no types

from server.otp.ports import StoreUnavailableError
from server.storage.refusals import StoreRefusedError

_PAUSE_S = 0.1
"""After a failed attempt to connect, calls fail at once for this long: no storm of attempts."""


class Lane:
    """Hands out its connection; not for two users at a time.

    connect: opens a connection, raises StoreUnavailableError or StoreRefusedError.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._failed: tuple[float, StoreUnavailableError] | None = None

    async def connection(self) -> asyncpg.Connection:
        """Return the open connection; raises StoreUnavailableError when there is none."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._failed is not None and time.monotonic() < self._failed[0]:
            raise StoreUnavailableError(str(self._failed[1])) from self._failed[1]
        try:
            self._connection = await self._connect()
        except (StoreUnavailableError, StoreRefusedError) as error:
            # A refusal that shows only now: somebody changed the server's settings.
            unavailable = StoreUnavailableError(str(error))
            self._failed = (time.monotonic() + _PAUSE_S, unavailable)
            raise unavailable from error
        self._failed = None
        return self._connection

    def drop(self) -> None:
        """Break the connection off: nobody knows any more in what state it is."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        """Take leave of the server."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            async with asyncio.timeout(1):
                await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
