"""How a book gets at the database: one seam, with a keeper per engine."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from server.storage.books.steps import Step


def reason(error: BaseException) -> str:
    """Return one line about a failure: the driver's words, without SQL and values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return f"{type(cause).__name__}: {str(cause).partition(chr(10))[0]}"


T = TypeVar("T")
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

    async def in_one_go(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do the work of a `writing` transaction, with nothing of the service between its steps.

        For what comes often, where those who wait for the only writer feel it. The work awaits
        nothing but its connection.
        """
        ...

    def mark(self) -> int | None:
        """Return a mark of all that was written by now, for `write_if`.

        None where others write as well, and nobody here knows of it.
        """
        ...

    async def write_if(self, mark: int, steps: Sequence[Step]) -> bool:
        """Execute steps as one transaction, if nobody wrote since `mark`; tell whether.

        For what was read after the mark and decided on while others could write. Raises as
        `writing` does.
        """
        ...

    async def now_us(self, connection: AsyncConnection) -> int:
        """Return the store's time in microseconds since the epoch."""
        ...
