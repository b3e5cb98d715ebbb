"""Gathers single decisions into batches: one in flight, the next collects meanwhile.

A durable commit costs about the same for one entry and for hundreds, so while one batch is
being committed everything that arrives waits for the next. A `Batcher` is itself a
`HotStore`: the control process uses one to merge the batches of its workers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.clock import Clock
from server.otp.ports import (
    MAX_BATCH,
    Entry,
    HotStore,
    Outcome,
    StoreError,
    StoreUnavailableError,
    UnknownOutcomeError,
)

_TURNS, _GATHER_S = 16, 0.01
"""Turns of the event loop that a batch is kept open for at most, and seconds, about what a
commit takes: under a flood one turn can take as long as many."""


class OverloadedError(StoreUnavailableError):
    """Too much is waiting already. Nothing was written; the answer is BACKEND_ERROR at once."""


class ClosedError(StoreUnavailableError):
    """The service is shutting down and takes nothing new. Nothing was written."""


class BatchSeen(NamedTuple):
    """One batch as told to an observer.

    entries: its size; waiting: entries still queued when it ended; seconds: from the call
    of the store to its return; failed: the store raised.
    """

    entries: int
    waiting: int
    seconds: float
    failed: bool


class _Waiter(NamedTuple):
    entry: Entry
    future: asyncio.Future[Outcome]


class Batcher:
    """Merges entries into batches for `store`, at most one per key in each, in order.

    queue_limit: entries that may wait, all told; key_queue_limit: those of one key, so that
    a flood of one replayed OTP cannot fill the queue for everybody. Beyond them
    OverloadedError. observe: called after each batch.

    Cancelling the future of an entry that is not yet in a batch withdraws it: it consumes
    nothing. One in flight completes in the store and nobody is told.
    """

    def __init__(
        self,
        store: HotStore,
        *,
        clock: Clock,
        queue_limit: int = 8192,
        key_queue_limit: int = 256,
        max_batch: int = MAX_BATCH,
        observe: Callable[[BatchSeen], None] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._queue_limit = queue_limit
        self._key_queue_limit = key_queue_limit
        self._max_batch = max_batch
        self._observe = observe
        self._ready: deque[_Waiter] = deque()
        # A key is in this map while an entry of it is ready or in flight; behind it queue,
        # in order, those that must wait for a later batch.
        self._behind: dict[str, deque[_Waiter] | None] = {}
        self._waiting = 0
        self._runner: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def waiting(self) -> int:
        """Entries accepted and not yet in a batch."""
        return self._waiting

    def submit(self, entry: Entry) -> asyncio.Future[Outcome]:
        """Accept one entry; the future gives its outcome after the commit, or raises StoreError.

        Raises OverloadedError or ClosedError at once when the entry is not accepted.
        """
        if self._closing:
            raise ClosedError("the service is shutting down")
        if self._waiting >= self._queue_limit:
            raise OverloadedError(f"{self._waiting} verifications are waiting for the store")
        waiter = _Waiter(entry, asyncio.get_running_loop().create_future())
        if entry.advance is None:
            self._ready.append(waiter)  # changes no key, so any number may share a batch
        elif entry.public_id in self._behind:
            self._queue_behind(waiter)
        else:
            self._behind[entry.public_id] = None
            self._ready.append(waiter)
        self._waiting += 1
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run())
        return waiter.future

    async def submit_many(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Decide several entries, perhaps over several batches; outcomes in their order.

        Raises StoreUnavailableError only when nothing of them was written, and
        UnknownOutcomeError when any of them may have been.
        """
        futures: list[asyncio.Future[Outcome]] = []
        try:
            for entry in entries:
                futures.append(self.submit(entry))  # noqa: PERF401 - those before a refusal count
        except StoreUnavailableError:
            _withdraw(futures)
            raise
        try:
            return [await future for future in futures]
        except StoreError as error:
            await asyncio.wait(futures)
            if all(isinstance(f.exception(), StoreUnavailableError) for f in futures):
                raise
            raise UnknownOutcomeError(f"some entries may have been written: {error}") from error
        except asyncio.CancelledError:
            _withdraw(futures)
            raise

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Be a HotStore: `submit_many`."""
        return await self.submit_many(batch)

    async def close(self) -> None:
        """Refuse what comes from now on and finish what was accepted."""
        self._closing = True
        while self._runner is not None:
            await asyncio.wait([self._runner])

    def _queue_behind(self, waiter: _Waiter) -> None:
        queue = self._behind[waiter.entry.public_id]
        if queue is None:
            queue = self._behind[waiter.entry.public_id] = deque()
        if len(queue) >= self._key_queue_limit:
            raise OverloadedError(f"{len(queue)} verifications of one key are waiting")
        queue.append(waiter)

    async def _run(self) -> None:
        """Commit batch after batch until nothing waits."""
        try:
            while self._ready:
                await self._gather()
                if batch := self._take():
                    await self._decide(batch)
        except BaseException:
            # The loop is torn down: whoever still waits was certainly not written.
            while batch := self._take():
                self._fail(batch, ClosedError("the service stopped"))
                self._release(batch)
            raise
        finally:
            self._runner = None

    async def _gather(self) -> None:
        """Let in what is at the door already, before the batch is closed.

        The answers of the last batch go out in the first turn of the loop, the second reads
        what came meanwhile, in the third its entries get here; from there on it goes on as long
        as a turn brings something. With 32 busy connections this makes batches of 32, where two
        of 16 would take turns and pay for two commits. An entry that comes alone waits for
        three empty turns: some microseconds.
        """
        monotonic = self._clock.monotonic
        latest = monotonic() + _GATHER_S
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(_TURNS):
            gathered = len(self._ready)
            if gathered >= self._max_batch or monotonic() > latest:
                return
            await asyncio.sleep(0)
            if len(self._ready) == gathered:
                return

    def _take(self) -> list[_Waiter]:
        batch: list[_Waiter] = []
        ready = self._ready
        while ready and len(batch) < self._max_batch:
            waiter = ready.popleft()
            self._waiting -= 1
            if waiter.future.done():
                self._release([waiter])  # gave up before its turn: consumes nothing
            else:
                batch.append(waiter)
        return batch

    async def _decide(self, batch: list[_Waiter]) -> None:
        started = self._clock.monotonic()
        failed = True
        try:
            outcomes = await self._store.spend_and_advance([waiter.entry for waiter in batch])
            # All or none: an outcome handed to a neighbour could be a wrong OK.
            for waiter, outcome in list(zip(batch, outcomes, strict=True)):
                if not waiter.future.done():
                    waiter.future.set_result(outcome)
            failed = False
        except StoreError as error:
            self._fail(batch, error)
        except Exception as error:  # noqa: BLE001 - a broken keeper must not stop the batches
            unknown = UnknownOutcomeError("the store broke its promise")
            unknown.__cause__ = error
            self._fail(batch, unknown)
        except BaseException:
            self._fail(batch, UnknownOutcomeError("the service stopped during a commit"))
            raise
        finally:
            self._release(batch)
            if self._observe is not None:
                seconds = self._clock.monotonic() - started
                self._observe(BatchSeen(len(batch), self._waiting, seconds, failed))

    def _release(self, batch: list[_Waiter]) -> None:
        """Let the next entry of each key come forward, at the end of the line."""
        behind = self._behind
        for waiter in batch:
            if waiter.entry.advance is None:
                continue
            queue = behind[waiter.entry.public_id]
            if queue:
                self._ready.append(queue.popleft())
            else:
                del behind[waiter.entry.public_id]

    @staticmethod
    def _fail(batch: list[_Waiter], error: StoreError) -> None:
        for waiter in batch:
            if not waiter.future.done():
                waiter.future.set_exception(error)
                waiter.future.exception()  # seen: a caller gone meanwhile is no warning


def _withdraw(futures: list[asyncio.Future[Outcome]]) -> None:
    for future in futures:
        future.cancel()
