"""What the batcher promises: one batch in flight, one entry per key in each, nothing lost."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.otp.batcher import Batcher, BatchSeen, ClosedError, OverloadedError
from server.otp.ports import (
    MAX_BATCH,
    Advance,
    Entry,
    Kind,
    Outcome,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from tests.server.faulty_store import turn
from tests.server.still_clock import StillClock


def entry(public_id: str, use: int = 0, *, charge_only: bool = False, client_id: int = 1) -> Entry:
    return Entry(
        client_id=client_id,
        client_version=1,
        bucket=0,
        free=False,
        public_id=public_id,
        key_version=1,
        advance=None if charge_only else Advance(1, use, 0),
        nonce="n",
    )


class Seen(NamedTuple):
    public_id: str
    use: int


class ScriptedStore:
    """Holds every batch until the test releases it, then answers with the entries' own uses."""

    def __init__(self) -> None:
        self.batches: list[list[Seen]] = []
        self.in_flight = 0
        self.gates: list[asyncio.Future[Exception | None]] = []
        self.automatic = False

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        assert self.in_flight == 0
        advancing = [entry.public_id for entry in batch if entry.advance]
        assert len(advancing) == len(set(advancing))
        assert len(batch) <= MAX_BATCH
        self.batches.append([Seen(e.public_id, e.advance.use if e.advance else -1) for e in batch])
        self.in_flight += 1
        gate: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        try:
            error = None if self.automatic else await gate
        finally:
            self.in_flight -= 1
        if error is not None:
            raise error
        # The use counter travels back, so that a mixed-up outcome cannot go unnoticed.
        return [Outcome(Kind.OK, e.advance.use if e.advance else -1) for e in batch]

    async def finish(self, error: Exception | None = None) -> None:
        """Let the batch in flight end."""
        await turn()
        self.gates[-1].set_result(error)
        await turn()


@pytest.fixture
def store() -> ScriptedStore:
    return ScriptedStore()


@pytest.fixture
def batcher(store: ScriptedStore) -> Batcher:
    return Batcher(store, clock=StillClock())


async def test_what_arrives_together_goes_together(store: ScriptedStore, batcher: Batcher) -> None:
    futures = [batcher.submit(entry(f"k{number}", number)) for number in range(40)]
    await store.finish()
    assert [len(batch) for batch in store.batches] == [40]
    assert [(await future).remaining for future in futures] == list(range(40))


async def test_what_is_at_the_door_when_a_batch_ends_joins_the_next(
    store: ScriptedStore, batcher: Batcher
) -> None:
    """As on a busy server: each answer brings the next question, two turns of the loop later."""
    loop = asyncio.get_running_loop()
    again: list[asyncio.Future[Outcome]] = []

    def ask_again(_: asyncio.Future[Outcome]) -> None:
        loop.call_soon(lambda: again.append(batcher.submit(entry(f"again{len(again)}"))))

    for number in range(16):
        batcher.submit(entry(f"a{number}")).add_done_callback(ask_again)
    await turn()
    waiting = [batcher.submit(entry(f"b{number}")) for number in range(16)]
    await store.finish()
    assert [len(batch) for batch in store.batches] == [16, 32]
    await store.finish()
    assert all(future.done() for future in waiting + again)


async def test_a_stream_of_arrivals_does_not_keep_a_batch_open_for_ever(
    store: ScriptedStore, batcher: Batcher
) -> None:
    for number in range(1000):
        if store.batches:
            break
        batcher.submit(entry(f"k{number}"))
        await asyncio.sleep(0)
    assert 2 <= len(store.batches[0]) <= 20
    await store.finish()


async def test_what_arrives_meanwhile_waits_for_the_next_batch(
    store: ScriptedStore, batcher: Batcher
) -> None:
    first = batcher.submit(entry("a"))
    await turn()
    later = [batcher.submit(entry(name)) for name in "bcd"]
    await turn()
    assert batcher.waiting == 3
    assert [len(batch) for batch in store.batches] == [1]
    await store.finish()
    assert first.done()
    assert [len(batch) for batch in store.batches] == [1, 3]
    await store.finish()
    assert all(future.done() for future in later)
    assert batcher.waiting == 0


async def test_entries_of_one_key_go_one_by_one_in_order(
    store: ScriptedStore, batcher: Batcher
) -> None:
    futures = [batcher.submit(entry("a", use)) for use in range(4)]
    other = batcher.submit(entry("b"))
    for done in range(1, 5):
        await store.finish()
        assert sum(future.done() for future in futures) == done
        assert other.done()
    assert store.batches == [[("a", 0), ("b", 0)], [("a", 1)], [("a", 2)], [("a", 3)]]
    assert [(await future).remaining for future in futures] == [0, 1, 2, 3]


async def test_charge_only_entries_of_one_key_share_a_batch(
    store: ScriptedStore, batcher: Batcher
) -> None:
    """Otherwise a stranger's bad OTPs would make the key's owner wait in line."""
    for _ in range(30):
        batcher.submit(entry("a", charge_only=True))
    batcher.submit(entry("a", 7))
    await store.finish()
    assert [len(batch) for batch in store.batches] == [31]


async def test_a_batch_holds_no_more_than_the_store_takes(store: ScriptedStore) -> None:
    store.automatic = True
    batcher = Batcher(store, clock=StillClock())
    futures = [batcher.submit(entry(f"k{number}")) for number in range(2 * MAX_BATCH + 1)]
    await asyncio.gather(*futures)
    assert [len(batch) for batch in store.batches] == [MAX_BATCH, MAX_BATCH, 1]


@pytest.mark.parametrize(
    "error", [StoreUnavailableError("away"), UnknownOutcomeError("broken off")]
)
async def test_a_failed_batch_fails_all_its_entries_and_only_those(
    store: ScriptedStore, batcher: Batcher, error: Exception
) -> None:
    failing = [batcher.submit(entry(name)) for name in "ab"]
    await turn()
    waiting = batcher.submit(entry("c"))
    await store.finish(error)
    await store.finish()
    for future in failing:
        with pytest.raises(type(error)):
            await future
    assert (await waiting).kind is Kind.OK


async def test_a_bug_in_the_store_is_an_unknown_outcome(
    store: ScriptedStore, batcher: Batcher
) -> None:
    future = batcher.submit(entry("a"))
    await store.finish(KeyError("bug"))
    with pytest.raises(UnknownOutcomeError) as raised:
        await future
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_outcomes_that_do_not_match_the_entries_are_given_to_nobody(count: int) -> None:
    class Miscounting:
        async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
            assert len(batch) != count
            return [Outcome(Kind.OK)] * count

    batcher = Batcher(Miscounting(), clock=StillClock())
    futures = [batcher.submit(entry(name)) for name in "ab"]
    for future in futures:
        with pytest.raises(UnknownOutcomeError):
            await future


async def test_a_withdrawn_entry_never_reaches_the_store_and_frees_its_key(
    store: ScriptedStore, batcher: Batcher
) -> None:
    first = batcher.submit(entry("z"))
    await turn()
    withdrawn = batcher.submit(entry("a", 1))
    queued = [batcher.submit(entry("a", use)) for use in (2, 3)]
    withdrawn.cancel()
    queued[0].cancel()
    await store.finish()
    await store.finish()
    assert first.done()
    assert store.batches == [[("z", 0)], [("a", 3)]]
    assert (await queued[1]).remaining == 3
    assert batcher.waiting == 0


async def test_an_entry_withdrawn_in_flight_completes_in_the_store(
    store: ScriptedStore, batcher: Batcher
) -> None:
    future = batcher.submit(entry("a", 1))
    after = batcher.submit(entry("a", 2))
    await turn()
    future.cancel()
    await store.finish()
    await store.finish()
    assert store.batches == [[("a", 1)], [("a", 2)]]
    assert (await after).remaining == 2


async def test_a_full_queue_refuses_at_once(store: ScriptedStore) -> None:
    batcher = Batcher(store, clock=StillClock(), queue_limit=3)
    batcher.submit(entry("z"))
    await turn()
    accepted = [batcher.submit(entry(name)) for name in "abc"]
    with pytest.raises(OverloadedError):
        batcher.submit(entry("d"))
    await store.finish()
    last = batcher.submit(entry("d"))
    await store.finish()
    await store.finish()
    assert all(future.done() for future in (*accepted, last))


async def test_one_key_cannot_fill_the_queue_for_everybody(store: ScriptedStore) -> None:
    batcher = Batcher(store, clock=StillClock(), key_queue_limit=2)
    for use in range(3):
        batcher.submit(entry("a", use))
    with pytest.raises(OverloadedError):
        batcher.submit(entry("a", 3))
    assert batcher.waiting == 3
    batcher.submit(entry("b"))
    store.automatic = True
    await batcher.close()
    assert store.batches == [[("a", 0), ("b", 0)], [("a", 1)], [("a", 2)]]


async def test_closing_finishes_what_was_accepted_then_refuses(
    store: ScriptedStore, batcher: Batcher
) -> None:
    futures = [batcher.submit(entry("a", use)) for use in range(3)]
    closing = asyncio.create_task(batcher.close())
    await turn()
    with pytest.raises(ClosedError):
        batcher.submit(entry("b"))
    for _ in futures:
        assert not closing.done()
        await store.finish()
    await closing
    assert all(future.done() for future in futures)
    await batcher.close()


async def test_when_the_loop_is_torn_down_nobody_waits_for_ever(batcher: Batcher) -> None:
    in_flight = batcher.submit(entry("a", 0))
    await turn()
    waiting = [batcher.submit(entry("a", 1)), batcher.submit(entry("b"))]
    runner = batcher._runner
    assert runner is not None
    runner.cancel()
    with pytest.raises(UnknownOutcomeError):
        await in_flight
    for future in waiting:
        with pytest.raises(StoreUnavailableError):
            await future


async def test_submit_many_answers_in_order_across_batches(
    store: ScriptedStore, batcher: Batcher
) -> None:
    store.automatic = True
    outcomes = await batcher.submit_many([entry("a", 1), entry("a", 2), entry("b", 3)])
    assert [outcome.remaining for outcome in outcomes] == [1, 2, 3]
    assert len(store.batches) == 2
    assert await batcher.spend_and_advance([]) == []


async def test_a_batcher_merges_the_batches_of_several_workers(store: ScriptedStore) -> None:
    control = Batcher(store, clock=StillClock())
    workers = [Batcher(control, clock=StillClock()) for _ in range(3)]
    futures = [
        worker.submit(entry(f"k{number}{name}", number))
        for number, worker in enumerate(workers)
        for name in "abc"
    ]
    await store.finish()
    assert [len(batch) for batch in store.batches] == [9]
    assert [(await future).remaining for future in futures] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


async def test_submit_many_refused_for_overload_writes_nothing(store: ScriptedStore) -> None:
    batcher = Batcher(store, clock=StillClock(), queue_limit=2)
    with pytest.raises(OverloadedError):
        await batcher.submit_many([entry("a"), entry("b"), entry("c")])
    await turn()
    assert store.batches == []
    assert batcher.waiting == 0


@pytest.mark.parametrize(
    ("first", "second", "raised"),
    [
        (StoreUnavailableError("away"), StoreUnavailableError("away"), StoreUnavailableError),
        (StoreUnavailableError("away"), None, UnknownOutcomeError),
        (None, StoreUnavailableError("away"), UnknownOutcomeError),
        (UnknownOutcomeError("cut"), StoreUnavailableError("away"), UnknownOutcomeError),
    ],
)
async def test_submit_many_says_nothing_was_written_only_when_that_is_so(
    store: ScriptedStore,
    batcher: Batcher,
    first: Exception | None,
    second: Exception | None,
    raised: type[Exception],
) -> None:
    asked = asyncio.create_task(batcher.submit_many([entry("a", 1), entry("a", 2)]))
    await store.finish(first)
    await store.finish(second)
    with pytest.raises(raised):
        await asked


async def test_a_worker_that_is_gone_takes_its_waiting_entries_with_it(
    store: ScriptedStore, batcher: Batcher
) -> None:
    batcher.submit(entry("z"))
    await turn()
    gone = asyncio.create_task(batcher.submit_many([entry("a"), entry("b")]))
    await turn()
    gone.cancel()
    await store.finish()
    assert store.batches == [[("z", 0)]]
    assert gone.cancelled()


async def test_an_observer_sees_every_batch(store: ScriptedStore) -> None:
    seen: list[BatchSeen] = []
    clock = StillClock()
    batcher = Batcher(store, clock=clock, observe=seen.append)
    futures = [batcher.submit(entry("a", use)) for use in range(2)]
    await turn()
    clock.pass_by(0.25)
    await store.finish()
    await store.finish(StoreUnavailableError("away"))
    assert seen == [
        BatchSeen(entries=1, waiting=1, seconds=0.25, failed=False),
        BatchSeen(entries=1, waiting=0, seconds=0.0, failed=True),
    ]
    with pytest.raises(StoreUnavailableError):
        await asyncio.gather(*futures)


async def trickle(batcher: Batcher, store: ScriptedStore, clock: StillClock, turn_s: float) -> int:
    """Submit one entry in each turn of a slow loop; return how many until a batch is closed."""
    for number in range(100):
        batcher.submit(entry(f"k{number}"))
        clock.pass_by(turn_s)
        await asyncio.sleep(0)
        if store.batches:
            break
    store.automatic = True
    store.gates[0].set_result(None)
    await batcher.close()
    return len(store.batches[0])


async def test_whoever_keeps_coming_does_not_hold_up_who_came_first(store: ScriptedStore) -> None:
    clock = StillClock()
    assert await trickle(Batcher(store, clock=clock), store, clock, turn_s=0.0) <= 20


async def test_a_slow_loop_closes_a_batch_by_time_and_not_by_turns(store: ScriptedStore) -> None:
    """A turn may take long when the process has other work, such as a flood of refusals."""
    clock = StillClock()
    assert await trickle(Batcher(store, clock=clock), store, clock, turn_s=0.02) <= 5


async def test_closing_while_a_batch_is_gathered_commits_it(
    store: ScriptedStore, batcher: Batcher
) -> None:
    store.automatic = True
    future = batcher.submit(entry("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert store.batches == []
    await batcher.close()
    assert (await future).kind is Kind.OK


async def test_what_is_withdrawn_while_a_batch_is_gathered_is_not_in_it(
    store: ScriptedStore, batcher: Batcher
) -> None:
    store.automatic = True
    future, *others = [batcher.submit(entry("a", use)) for use in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    future.cancel()
    assert [(await other).remaining for other in others] == [1, 2]
    assert store.batches == [[("a", 1)], [("a", 2)]]


async def test_when_the_loop_is_torn_down_while_a_batch_is_gathered_nothing_was_written(
    store: ScriptedStore, batcher: Batcher
) -> None:
    futures = [batcher.submit(entry("a", use)) for use in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    runner = batcher._runner
    assert runner is not None
    runner.cancel()
    for future in futures:
        with pytest.raises(ClosedError):
            await future
    assert store.batches == []
    await batcher.close()


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("submit"), st.sampled_from("abc")),
            st.tuples(st.just("charge"), st.sampled_from("abc")),
            st.tuples(st.just("cancel"), st.integers(0, 40)),
            st.tuples(st.just("finish"), st.booleans()),
        ),
        max_size=40,
    )
)
def test_every_entry_is_answered_once_or_withdrawn_and_keys_stay_in_order(
    steps: list[tuple[str, object]],
) -> None:
    async def play() -> None:
        store = ScriptedStore()
        batcher = Batcher(store, clock=StillClock(), max_batch=3)
        futures: list[asyncio.Future[Outcome]] = []
        for step, value in steps:
            if step in {"submit", "charge"}:
                charge_only = step == "charge"
                futures.append(
                    batcher.submit(entry(str(value), len(futures) % 256, charge_only=charge_only))
                )
            elif step == "cancel" and futures:
                futures[int(str(value)) % len(futures)].cancel()
            elif step == "finish" and store.in_flight:
                await store.finish(StoreUnavailableError("away") if value else None)
            await turn(3)
        store.automatic = True
        if store.in_flight:
            await store.finish()
        await batcher.close()
        assert all(future.done() for future in futures)
        assert batcher.waiting == 0
        assert not batcher._behind
        for name in "abc":
            uses = [s.use for b in store.batches for s in b if s.public_id == name and s.use >= 0]
            assert uses == sorted(uses)
        for number, future in enumerate(futures):
            if not future.cancelled() and future.exception() is None:
                assert future.result().remaining in {number, -1}

    asyncio.run(play())
