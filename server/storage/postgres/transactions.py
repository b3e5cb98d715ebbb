"""Administrative transactions on PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import BigInteger, cast, extract, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.otp.ports import StoreUnavailableError, UnknownOutcomeError
from server.storage.books.steps import Step
from server.storage.books.transactions import T, reason
from server.storage.postgres.connection import UNREACHABLE

_NOW_US = select(cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger))


async def server_time_us(connection: AsyncConnection) -> int:
    """Return the server's time in microseconds since the epoch."""
    now_us: int = (await connection.execute(_NOW_US)).scalar_one()
    return now_us


class PostgresTransactions:
    """Keeps `Transactions`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Return a transaction that sees what was committed and changes nothing."""
        try:
            async with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, *UNREACHABLE) as error:
            raise StoreUnavailableError(f"the store cannot be read: {reason(error)}") from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Return a transaction that is durable when the context has been left."""
        committing = False
        try:
            async with self._engine.connect() as connection:
                transaction = await connection.begin()
                try:
                    yield connection
                    committing = True
                    await transaction.commit()
                finally:
                    await transaction.close()
        except (SQLAlchemyError, *UNREACHABLE) as error:
            if committing:
                raise UnknownOutcomeError(f"the commit failed: {reason(error)}") from error
            raise StoreUnavailableError(f"nothing was written: {reason(error)}") from error

    async def in_one_go(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do the work of a `writing` transaction; here nobody waits for another's."""
        async with self.writing() as connection:
            return await work(connection)

    def mark(self) -> None:
        """Return None: other machines write here, too."""
        return

    async def write_if(self, mark: int, steps: Sequence[Step]) -> bool:
        """Do nothing: there are no marks here."""
        del mark, steps
        return False

    async def now_us(self, connection: AsyncConnection) -> int:
        """Return the store's time: the server's."""
        return await server_time_us(connection)
