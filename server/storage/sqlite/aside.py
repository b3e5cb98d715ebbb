"""A thread with a loop of its own, where transactions run whose steps nothing else may part.

Whoever writes into the file keeps verifications waiting until the commit. On the service's own
loop, each of a transaction's steps would wait until all that came meanwhile had its turn.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.storage.sqlite.connection import WRITES, sqlite_engine

T = TypeVar("T")


class Aside:
    """Runs one transaction at a time. SQLAlchemy's errors pass.

    committing: told before each commit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keystead-fleet")
        self._runner: asyncio.Runner | None = None
        self._engine: AsyncEngine | None = None

    async def run(
        self, work: Callable[[AsyncConnection], Awaitable[T]], committing: Callable[[], None]
    ) -> T:
        """Do the work as one transaction, committed when this returns."""
        transaction = self._transaction(work, committing)
        return await self._in_thread(transaction)

    async def close(self) -> None:
        """End the thread."""
        await self._in_thread(self._dispose())
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_runner)
        self._thread.shutdown()

    async def _in_thread(self, coroutine: Coroutine[Any, Any, T]) -> T:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, self._run, coroutine)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # It goes on to its end all the same: nobody may write before that.
            with contextlib.suppress(Exception):
                await future
            raise

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine)

    def _close_runner(self) -> None:
        if self._runner is not None:
            self._runner.close()

    async def _transaction(
        self, work: Callable[[AsyncConnection], Awaitable[T]], committing: Callable[[], None]
    ) -> T:
        if self._engine is None:
            self._engine = sqlite_engine(self._path)
        async with self._engine.connect() as connection:
            await connection.execution_options(**{WRITES: True})
            transaction = await connection.begin()
            try:
                done = await work(connection)
                committing()
                await transaction.commit()
            finally:
                await transaction.close()
            return done

    async def _dispose(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None
