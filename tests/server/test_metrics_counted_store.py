"""The counting store decides as the store it wraps and counts what came of it."""

import pytest

from server.metrics import layout
from server.metrics.counted_store import CountedHotStore
from server.metrics.tally import Tally
from server.otp.ports import Entry, StoreUnavailableError, UnknownOutcomeError
from tests.server.faulty_store import FaultyStore
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from validation.gcra import UNLIMITED, Policy


def value(tally: Tally, name: str) -> list[int]:
    family = layout.BY_NAME[name]
    return tally.cells()[family.start : family.start + family.cells]


async def test_batches_entries_and_failures_are_counted_and_passed_on() -> None:
    clock = StillClock()
    store = FaultyStore(MemoryStore(clock=clock, default_policy=Policy(UNLIMITED, UNLIMITED)))
    tally = Tally.in_memory()
    counted = CountedHotStore(store, tally)
    entries = [Entry(1, 1, 0, False, f"cccccccccc{x}{x}", 0, None, "") for x in "bc"]
    outcomes = await counted.spend_and_advance(entries)
    assert outcomes == await store.spend_and_advance(entries)
    assert value(tally, "keystead_store_batches") == [1]
    assert value(tally, "keystead_store_entries") == [2]
    for fault in (StoreUnavailableError("away"), UnknownOutcomeError("perhaps")):
        store.fail_before = fault
        with pytest.raises(type(fault)):
            await counted.spend_and_advance(entries)
    assert value(tally, "keystead_store_errors") == [1, 1]
    assert value(tally, "keystead_store_batches") == [1]
