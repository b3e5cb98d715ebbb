"""The link: calls find their answers, and the end of either side is told honestly."""

import asyncio
from collections.abc import Sequence

import pytest

from server.otp.ports import (
    Advance,
    ClientRecord,
    Entry,
    KeyRecord,
    Kind,
    Outcome,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from server.status.snapshot import Snapshot
from tests.server.status.samples import eventful
from tests.server.storage.link.linked import linked

ENTRY = Entry(1, 1, 0, False, "cccc", 1, Advance(1, 0, 7), "n" * 16)
KEY = KeyRecord("cccc", 3, True, 1, b"sealed")


class ScriptedStore:
    """A store that does what the test says: outcomes, an error, or nothing until released."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.held = asyncio.Event()
        self.held.set()
        self.entered = asyncio.Event()
        self.batches: list[list[Entry]] = []
        self.outcomes = [Outcome(Kind.OK, 49, 0)]

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        self.batches.append(list(batch))
        self.entered.set()
        await self.held.wait()
        if self.error is not None:
            raise self.error
        return self.outcomes

    async def client(self, client_id: int) -> ClientRecord | None:
        await self.held.wait()
        if self.error is not None:
            raise self.error
        assert client_id == 7
        return None

    async def key(self, public_id: str) -> KeyRecord | None:
        self.entered.set()
        await self.held.wait()
        if self.error is not None:
            raise self.error
        return KEY if public_id == "cccc" else None


async def test_a_batch_is_decided_on_the_other_side() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        assert await link.store.spend_and_advance([ENTRY]) == [Outcome(Kind.OK, 49, 0)]
    assert store.batches == [[ENTRY]]


async def test_reads_answer_while_a_batch_is_out() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        store.held.clear()
        batch = asyncio.ensure_future(link.store.spend_and_advance([ENTRY]))
        await store.entered.wait()
        store.held.set()
        assert await link.store.key("cccc") == KEY
        assert await link.store.key("") is None
        assert await link.store.client(7) is None
        await batch


@pytest.mark.parametrize("error", [StoreUnavailableError("disk full"), UnknownOutcomeError("?")])
async def test_the_stores_failures_arrive_as_what_they_are(error: Exception) -> None:
    store = ScriptedStore()
    store.error = error
    async with linked(store, store) as link:
        with pytest.raises(type(error), match=str(error).replace("?", r"\?")):
            await link.store.spend_and_advance([ENTRY])


async def test_an_unforeseen_fault_is_an_unknown_outcome_and_keeps_its_words_to_itself() -> None:
    store = ScriptedStore()
    store.error = RuntimeError("with a detail")
    async with linked(store, store) as link:
        with pytest.raises(UnknownOutcomeError, match="unforeseen") as caught:
            await link.store.spend_and_advance([ENTRY])
        assert "detail" not in str(caught.value)
        with pytest.raises(StoreUnavailableError):
            await link.store.key("cccc")
        with pytest.raises(StoreUnavailableError):
            await link.store.client(7)


async def test_a_link_lost_during_a_batch_leaves_its_outcome_unknown() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        store.held.clear()
        batch = asyncio.ensure_future(link.store.spend_and_advance([ENTRY]))
        await store.entered.wait()
        link.control.abort()
        with pytest.raises(UnknownOutcomeError):
            await batch


async def test_a_link_lost_during_a_read_is_a_store_that_is_away() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        store.held.clear()
        read = asyncio.ensure_future(link.store.key("cccc"))
        await store.entered.wait()
        link.control.abort()
        with pytest.raises(StoreUnavailableError):
            await read


async def test_after_the_links_end_nothing_was_written() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        link.control.abort()
        await link.worker.lost
        with pytest.raises(StoreUnavailableError):
            await link.store.spend_and_advance([ENTRY])
        with pytest.raises(StoreUnavailableError):
            await link.store.key("cccc")
    assert store.batches == []


async def test_an_answer_to_another_batch_is_an_unknown_outcome() -> None:
    store = ScriptedStore()
    store.outcomes = []
    async with linked(store, store) as link:
        with pytest.raises(UnknownOutcomeError):
            await link.store.spend_and_advance([ENTRY])


async def test_a_caller_that_gives_up_disturbs_nobody() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        store.held.clear()
        batch = asyncio.ensure_future(link.store.spend_and_advance([ENTRY]))
        await store.entered.wait()
        batch.cancel()
        store.held.set()
        assert await link.store.spend_and_advance([ENTRY]) == [Outcome(Kind.OK, 49, 0)]


async def test_octets_of_another_protocol_end_the_link() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        assert link.worker._transport is not None
        link.worker._transport.write(b"GET / HTTP/1.1\r\n\r\n")
        assert "cannot have" in str(await link.control.lost)
        await link.worker.lost


async def test_how_things_are_is_told_on_the_other_side() -> None:
    store = ScriptedStore()
    async with linked(store, store) as link:
        assert await link.store.status_snapshot() == eventful()


async def test_whoever_cannot_tell_how_things_are_says_why() -> None:
    store = ScriptedStore()
    async with linked(store, store, status=Mute()) as link:
        with pytest.raises(StoreUnavailableError, match="disk full"):
            await link.store.status_snapshot()


class Mute:
    """A store that cannot be read."""

    async def status_snapshot(self) -> Snapshot:
        raise StoreUnavailableError("disk full")
