"""A thread of its own, where transactions run whose steps nothing else may part.

Whoever writes into the file keeps verifications waiting until the commit. On the service's own loop
each step of a transaction goes to another thread and back, three times, and waits there and here
until all that came meanwhile had its turn. Here loop and file share a thread: nothing waits.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import StaticPool, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from server.storage.sqlite.connection import WRITES, connect, on_begin

T = TypeVar("T")


class _Inline(aiosqlite.Connection):
    """A connection of aiosqlite's form that does at once what is asked, on the asker's thread."""

    def __init__(self, path: Path) -> None:
        super().__init__(partial(connect, path), iter_chunk_size=64)

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._connect().__await__()

    async def _connect(self) -> aiosqlite.Connection:
        self._connection = self._connector()
        return self

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401 - as the base has it
        return fn(*args, **kwargs)

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


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
            self._engine = create_async_engine(
                "sqlite+aiosqlite://",
                async_creator=partial(_connected, self._path),
                poolclass=StaticPool,
                hide_parameters=True,  # sealed records have no place in an error
            )
            event.listen(self._engine.sync_engine, "begin", on_begin)
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


async def _connected(path: Path, *_: object, **__: object) -> aiosqlite.Connection:
    return await _Inline(path)
