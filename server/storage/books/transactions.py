"""How a book gets at the database: one seam, with a keeper per engine."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection


def reason(error: BaseException) -> str:
    """Return one line about a failure: the driver's words, without SQL and values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return f"{type(cause).__name__}: {str(cause).partition(chr(10))[0]}"


StoreClock: TypeAlias = Callable[[AsyncConnection], Awaitable[int]]
"""Tells the store's time within a transaction, in microseconds since the epoch."""


class Transactions(Protocol):
    """Opens transactions and speaks of failures in the rooms' language.

    Both contexts raise StoreUnavailableError when nothing was written; `writing` raises
    UnknownOutcomeError when the commit was not confirmed. An exception of the body rolls back.
    """

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a transaction that sees what was committed and changes nothing."""
        ...

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a transaction that is durable when the context has been left."""
        ...

    async def now_us(self, connection: AsyncConnection) -> int:
        """Return the store's time in microseconds since the epoch."""
        ...
