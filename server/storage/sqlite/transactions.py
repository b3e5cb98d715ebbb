"""Administrative transactions on the embedded store, in turn with the hot path's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.clock import Clock
from server.otp.ports import StoreUnavailableError, UnknownOutcomeError
from server.storage.books.steps import Step
from server.storage.books.transactions import T, reason
from server.storage.sqlite.aside import Aside
from server.storage.sqlite.connection import WRITES

_LOG_PAGES = 8  # what a small administrative change may write, generously
_STEP_PAGES = 2  # the same for a row of a step: most lie in one page, some have indexes


class SqliteTransactions:
    """Keeps `Transactions`. turn: held by whoever writes, so that nobody finds the file locked.

    execute: makes a transaction of steps, for who holds the turn; aside: runs one by itself.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        turn: asyncio.Lock,
        clock: Clock,
        note: Callable[[int], None],
        execute: Callable[[Sequence[Step]], Awaitable[None]],
        aside: Aside,
    ) -> None:
        self._engine = engine
        self._turn = turn
        self._clock = clock
        self._note = note
        self._execute = execute
        self._aside = aside
        self._written = 0

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Return a transaction that sees what was committed and changes nothing."""
        try:
            async with self._engine.connect() as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise StoreUnavailableError(f"the store cannot be read: {reason(error)}") from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Return a transaction that is durable when the context has been left."""
        committing = False
        try:
            # The connection first: whoever waits for one must not keep batches waiting.
            async with self._engine.connect() as connection, self._turn:
                await connection.execution_options(**{WRITES: True})
                transaction = await connection.begin()
                try:
                    yield connection
                    committing = True
                    await transaction.commit()
                finally:
                    try:
                        await transaction.close()
                    finally:
                        # While the turn is held, and after a commit that was cut off has ended:
                        # whoever reads after this number sees it.
                        self._written += 1
                        self._note(_LOG_PAGES)
        except SQLAlchemyError as error:
            if committing:
                raise UnknownOutcomeError(f"the commit failed: {reason(error)}") from error
            raise StoreUnavailableError(f"nothing was written: {reason(error)}") from error

    async def in_one_go(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do the work of a `writing` transaction on a thread of its own."""
        committing = False

        def commits() -> None:
            nonlocal committing
            committing = True

        try:
            async with self._turn:
                try:
                    return await self._aside.run(work, commits)
                finally:
                    self._written += 1
                    self._note(_LOG_PAGES)
        except SQLAlchemyError as error:
            if committing:
                raise UnknownOutcomeError(f"the commit failed: {reason(error)}") from error
            raise StoreUnavailableError(f"nothing was written: {reason(error)}") from error

    def mark(self) -> int:
        """Return how many administrative transactions there were; the file has one owner."""
        return self._written

    async def write_if(self, mark: int, steps: Sequence[Step]) -> bool:
        """Execute steps as one transaction, if there was none since `mark`."""
        async with self._turn:
            if self._written != mark:
                return False
            self._written += 1
            if steps:
                await self._execute(steps)
        self._note(sum(_STEP_PAGES * len(step.rows) for step in steps))
        return True

    async def now_us(self, _connection: AsyncConnection) -> int:
        """Return the store's time: this host's."""
        return self._clock.now_us()
