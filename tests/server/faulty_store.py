"""A store between the room and the keeper that holds back, fails and counts on request."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from server.otp.ports import ClientRecord, Directory, Entry, HotStore, KeyRecord, Outcome


class HotDirectory(HotStore, Directory, Protocol):
    """What a verifying process needs of a store."""


class FaultyStore:
    """Passes calls on to `store`.

    fail_before, fail_after: raised by batches instead of, or after, the commit.
    fail_reads: raised by the directory. answer_with: outcomes of the next entries, decided by
    the test instead of the keeper. keys: records shown instead of the keeper's. batches: what
    came, in order.
    """

    def __init__(self, store: HotDirectory) -> None:
        self._store = store
        self.fail_before: Exception | None = None
        self.fail_after: Exception | None = None
        self.fail_reads: Exception | None = None
        self.answer_with: list[Outcome] = []
        self.keys: dict[str, KeyRecord] = {}
        self.batches: list[list[Entry]] = []
        self.client_reads = 0
        self.key_reads = 0
        self._open = asyncio.Event()
        self._open.set()
        self._reads_open = asyncio.Event()
        self._reads_open.set()

    def hold(self) -> None:
        """Keep batches waiting at the store's door until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def hold_reads(self) -> None:
        """Keep answers of the directory back, read already, until `release_reads`."""
        self._reads_open.clear()

    def release_reads(self) -> None:
        self._reads_open.set()

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        self.batches.append(list(batch))
        await self._open.wait()
        if self.fail_before is not None:
            raise self.fail_before
        if self.answer_with:
            answers = self.answer_with[: len(batch)]
            del self.answer_with[: len(batch)]
            return answers
        outcomes = await self._store.spend_and_advance(batch)
        if self.fail_after is not None:
            raise self.fail_after
        return outcomes

    async def client(self, client_id: int) -> ClientRecord | None:
        self.client_reads += 1
        if self.fail_reads is not None:
            raise self.fail_reads
        record = await self._store.client(client_id)
        await self._reads_open.wait()
        return record

    async def key(self, public_id: str) -> KeyRecord | None:
        self.key_reads += 1
        if self.fail_reads is not None:
            raise self.fail_reads
        record = self.keys.get(public_id) or await self._store.key(public_id)
        await self._reads_open.wait()
        return record


async def turn(times: int = 20) -> None:
    """Let everything that can run do so: many turns of the loop, no time."""
    for _ in range(times):
        await asyncio.sleep(0)
