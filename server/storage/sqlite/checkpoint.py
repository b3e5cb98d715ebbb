"""Moves the write-ahead log into the database file beside the requests, so that it stays small.

A passive checkpoint disturbs nobody, but under steady load it never reaches the end of the
log, which then could never start over. So it is repeated, each time with less left to do,
and the last piece is done while the write turn is held: a pause of a few pages. The next
writer finds the whole log in the database and begins at its front again.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from server.storage.sqlite.connection import connect

_log = structlog.get_logger(__name__)

_FEW_PAGES = 128
_MOST_PASSES = 6
_EMPTYING_TRIES, _EMPTYING_PAUSE_S = 40, 0.05


class Checkpointer:
    """Watches how much was written and checkpoints when it is much.

    turn: the store's write turn; after_pages: how many pages the log may gather.
    """

    def __init__(self, path: Path, turn: asyncio.Lock, *, after_pages: int) -> None:
        self._path = path
        self._turn = turn
        self._after_pages = after_pages
        self._pages = 0
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keystead-checkpoint")

    def note(self, pages: int) -> None:
        """Count pages written to the log (at most that many; an estimate will do)."""
        self._pages += pages
        if self._pages >= self._after_pages and self._task is None:
            self._task = asyncio.create_task(self._run())

    async def finished(self) -> None:
        """Wait for the end of a checkpoint under way.

        For whoever writes much and can wait: a checkpoint never catches up with an import, and
        its last pass, which everybody waits for, would be a long one.
        """
        if self._task is not None:
            await asyncio.wait([self._task])

    async def empty(self) -> bool:
        """Move the whole log into the database and cut it off; return whether that worked.

        For whoever erased something: what was overwritten in the database still stands in the log.
        Nobody waits for more than a few pages; a reader who is in the way is waited for a while.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await self.finished()
        loop = asyncio.get_running_loop()
        try:
            for _ in range(_EMPTYING_TRIES):
                async with self._turn:
                    if await loop.run_in_executor(self._thread, empty, self._path):
                        self._pages = 0
                        return True
                await asyncio.sleep(_EMPTYING_PAUSE_S)
        except sqlite3.Error as error:
            _log.warning("the log of the store was not emptied", reason=str(error))
        return False

    async def close(self) -> None:
        """Finish a checkpoint under way and stop."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _run(self) -> None:
        try:
            for _ in range(_MOST_PASSES):
                if await self._pass() <= _FEW_PAGES:
                    break
            async with self._turn:
                self._pages = await self._pass()
        except sqlite3.Error as error:
            # The log keeps growing, which costs space and start-up time but no safety.
            _log.warning("a checkpoint of the store failed", reason=str(error))
            self._pages = 0
        finally:
            self._task = None

    async def _pass(self) -> int:
        """Return how many pages of the log are not in the database yet."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, checkpoint, self._path
        )


def empty(path: Path) -> bool:
    """Cut the log off when no reader needs it; tell whether it was. Raises sqlite3.Error."""
    connection = connect(path)
    try:
        connection.execute("PRAGMA busy_timeout=0")  # the caller holds up everybody
        busy, _log, _moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    finally:
        connection.close()


def checkpoint(path: Path) -> int:
    """Move what no reader needs any more; return the pages left. Raises sqlite3.Error."""
    connection = connect(path)
    try:
        _busy, log, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return max(0, int(log) - int(moved))
    finally:
        connection.close()
