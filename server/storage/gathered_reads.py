"""Reads that arrive while one is under way wait for it and are then made together.

A worker whose cache is cold asks for one key per request; gathered, they share a round trip.
A read never joins one that has begun: it sees all that was committed before it was asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST_AT_ONCE = 512


class GatheredReads(Generic[K, V]):
    """Turns single reads into reads of many. read_many: absent keys are left out."""

    def __init__(self, read_many: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read_many = read_many
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def read(self, key: K) -> asyncio.Future[V | None]:
        """Return what is stored for a key, or None; raises what the read raised."""
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return future

    async def close(self) -> None:
        """Finish what was asked."""
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        try:
            while self._forget_who_gave_up():
                # Two turns of the loop, so that requests that arrived together read together.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                keys = list(self._waiting)[:_MOST_AT_ONCE]
                await self._run({key: self._waiting.pop(key) for key in keys})
        finally:
            self._task = None

    def _forget_who_gave_up(self) -> bool:
        """Return whether anybody still waits."""
        for key, futures in list(self._waiting.items()):
            if futures[0].done() and all(future.done() for future in futures):
                del self._waiting[key]
        return bool(self._waiting)

    async def _run(self, asked: Mapping[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._read_many(list(asked))
        except Exception as error:  # noqa: BLE001 - whatever happened belongs to the callers
            for future in (future for futures in asked.values() for future in futures):
                if not future.done():
                    future.set_exception(error)
            return
        for key, futures in asked.items():
            for future in futures:
                if not future.done():
                    future.set_result(found.get(key))
