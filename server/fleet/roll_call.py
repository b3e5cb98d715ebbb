"""Hosts looked up together: those whose reports come within a moment share one look at the store.

A fleet is larger than a memory of keys: nearly every report is of a host that is not remembered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from server.fleet.hosts import Host
from server.fleet.rhythm import Rhythm

_AT_ONCE = 128


class RollCall:
    """Looks hosts up, one look at a time. look: returns those that there are, by id."""

    def __init__(
        self,
        look: Callable[[Sequence[str]], Awaitable[Mapping[str, Host]]],
        rhythm: Rhythm,
    ) -> None:
        self._look = look
        self._rhythm = rhythm
        self._waiting: dict[str, asyncio.Future[Host | None]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many hosts are asked for."""
        return len(self._waiting)

    async def host(self, host_id: str) -> Host | None:
        """Return a host, None when there is none. What `look` raises passes."""
        future = self._waiting.get(host_id)
        if future is None:
            future = self._waiting[host_id] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        # One who gives up takes the answer from nobody else.
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Finish what was asked."""
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._rhythm.beat()
                asked = list(self._waiting)[:_AT_ONCE]
                await self._answer(asked)
        finally:
            self._task = None

    async def _answer(self, asked: Sequence[str]) -> None:
        try:
            found = await self._look(asked)
        except Exception as error:  # noqa: BLE001 - whatever happened belongs to those who wait
            for host_id in asked:
                future = self._waiting.pop(host_id)
                future.set_exception(error)
                future.exception()  # somebody may have given up, and it is no fault of ours then
            return
        for host_id in asked:
            self._waiting.pop(host_id).set_result(found.get(host_id))
