"""One line for the hot path: batches are decided one after the other, each to its end.

The queue's own task drives a batch. A caller that gives up (a deadline, a closed connection)
leaves without disturbing the transaction.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from server.otp.decision import check_batch
from server.otp.ports import Entry, Outcome, StoreUnavailableError

Batch = Sequence[Entry]
Decide = Callable[[Batch], Awaitable[Sequence[Outcome]]]


class BatchQueue:
    """Runs batches in the order they came; decide: one batch, one commit."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._waiting: deque[tuple[Batch, asyncio.Future[Sequence[Outcome]]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, batch: Batch) -> Sequence[Outcome]:
        """Return the outcomes of a batch, or raise what `decide` raised."""
        check_batch(batch)
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        if not batch:
            return ()
        future: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Finish what was submitted and accept nothing more."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._run(*self._waiting.popleft())
        finally:
            self._task = None

    async def _run(self, batch: Batch, future: asyncio.Future[Sequence[Outcome]]) -> None:
        try:
            outcomes = await self._decide(batch)
        except Exception as error:  # noqa: BLE001 - whatever happened belongs to the caller
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(outcomes)
