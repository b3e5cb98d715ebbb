"""The clerk: whatever fails, jumps or restarts, each count comes to the store exactly once."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.otp.ports import StoreUnavailableError, UnknownOutcomeError
from server.otp.verdict import Verdict
from server.usage.clerk import INTERVAL_S, UsageClerk
from server.usage.kinds import AT, KINDS
from server.usage.ports import MAX_PARCEL_ROWS, OVERFLOW, Parcel
from tests.server.faulty_store import turn
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import NOW_US, StillClock
from tests.server.storage.entries import POLICY
from validation.status import Status

T0 = NOW_US // 60_000_000
FAR = 1 << 40


class FlakySink:
    """Fails before or after the store has added a parcel, as the test says; tells its own time."""

    def __init__(self, clock: StillClock) -> None:
        self.store = MemoryStore(clock=clock, default_policy=POLICY)
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.parcels: list[Parcel] = []
        self.ahead_us = 0
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Event()

    async def add_usage(self, parcel: Parcel) -> int:
        self.parcels.append(parcel)
        if parcel.rows:
            self.entered.set()
        await self.open.wait()
        if self.before is not None:
            raise self.before
        now_us = await self.store.add_usage(parcel)
        if self.after is not None:
            raise self.after
        return now_us + self.ahead_us

    def stored(self) -> dict[tuple[int, int], int]:
        """Return how many answers are stored, by minute (from T0 on) and client."""
        return {
            (minute - T0, client): sum(counts)
            for (minute, client), counts in self.store._minutes.items()
        }


def an_answer(client_id: int = 1, status: Status = Status.OK) -> Verdict:
    return Verdict(status, b"", None, client_id, None, shadowed=False, counted_for=client_id)


class Desk:
    """A clerk whose turns are the test's."""

    def __init__(self, *, max_rows: int = 1_000) -> None:
        self.clock = StillClock()
        self.sink = FlakySink(self.clock)
        self.clerk = self.hire("one", max_rows)

    def hire(self, sender: str, max_rows: int = 1_000) -> UsageClerk:
        return UsageClerk(self.sink, clock=self.clock, sender=sender, max_rows=max_rows)

    def answer(self, client_id: int = 1, times: int = 1) -> None:
        for _ in range(times):
            self.clerk.counter.answered(an_answer(client_id))

    async def turn(self) -> None:
        await self.clerk._turn()


async def test_what_was_answered_is_stored_under_its_minute() -> None:
    desk = Desk()
    await desk.turn()
    desk.answer(1, 3)
    desk.answer(2)
    await desk.turn()
    desk.clock.pass_by(60)
    await desk.turn()
    desk.answer(1)
    await desk.turn()
    assert desk.sink.stored() == {(0, 1): 3, (0, 2): 1, (1, 1): 1}


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("error", [StoreUnavailableError("?"), UnknownOutcomeError("?")])
async def test_a_parcel_without_an_answer_goes_again_unchanged(
    error: Exception, *, stored: bool
) -> None:
    desk = Desk()
    await desk.turn()
    setattr(desk.sink, "after" if stored else "before", error)
    with structlog.testing.capture_logs() as lines:
        for times in (2, 3, 4):
            desk.answer(1, times)
            await desk.turn()
        assert desk.sink.stored() == ({(0, 1): 2} if stored else {})
        desk.sink.before = desk.sink.after = None
        await desk.turn()
    assert desk.sink.stored() == {(0, 1): 9}
    sent = [parcel for parcel in desk.sink.parcels if parcel.rows]
    assert [parcel.number for parcel in sent] == [1, 1, 1, 1, 2]
    assert len(set(sent[:4])) == 1
    assert [line["event"] for line in lines] == ["usage_not_stored", "usage_stored_again"]


async def test_many_clients_go_in_parcels_that_are_not_too_large() -> None:
    desk = Desk(max_rows=5_000)
    for client in range(1, 1_203):
        desk.answer(client)
    await desk.turn()
    sizes = [len(parcel.rows) for parcel in desk.sink.parcels if parcel.rows]
    assert sizes == [MAX_PARCEL_ROWS, MAX_PARCEL_ROWS, 202]
    assert desk.sink.stored() == {(0, client): 1 for client in range(1, 1_203)}


async def test_while_the_store_is_away_memory_is_bounded_and_the_sum_stays_right() -> None:
    desk = Desk(max_rows=10)
    await desk.turn()
    desk.sink.before = StoreUnavailableError("away")
    for _ in range(50):
        for client in range(1, 8):
            desk.answer(client)
        await desk.turn()
        desk.clock.pass_by(60)
        await desk.turn()
    waiting = [len(clients) for clients in desk.clerk._waiting.values()]
    assert sum(waiting) <= 10 + 50, "and one of all together for each minute"
    desk.sink.before = None
    await desk.turn()
    stored = desk.sink.stored()
    by_minute: Counter[int] = Counter()
    for (minute, _), count in stored.items():
        by_minute[minute] += count
    assert by_minute == dict.fromkeys(range(50), 7)
    assert (49, OVERFLOW) in stored


async def test_minutes_are_the_stores_not_this_hosts() -> None:
    desk = Desk()
    desk.sink.ahead_us = 3 * 60_000_000
    await desk.turn()
    desk.answer()
    await desk.turn()
    assert desk.sink.stored() == {(3, 1): 1}


@pytest.mark.parametrize("jump_s", [3600, -3600, 10 * 365 * 86_400, -10 * 365 * 86_400])
async def test_s21_a_clock_that_jumps_loses_and_doubles_nothing(jump_s: int) -> None:
    desk = Desk()
    await desk.turn()
    desk.answer(1, 2)
    desk.clock.set_wall(jump_s)
    desk.answer(1, 3)
    await desk.turn()
    desk.answer(1, 4)
    await desk.turn()
    desk.clock.set_wall(-jump_s)
    await desk.turn()
    desk.clock.pass_by(60)
    await desk.turn()
    desk.answer(1, 5)
    await desk.turn()
    # What was counted before the store told of it is under the minute that was thought to be.
    assert desk.sink.stored() == {(0, 1): 5, (jump_s // 60, 1): 4, (1, 1): 5}


async def test_a_host_that_jumps_alone_changes_no_minute() -> None:
    desk = Desk()
    await desk.turn()
    desk.clock.set_wall(7200)
    desk.sink.ahead_us = -7_200_000_000
    for _ in range(3):
        desk.answer()
        await desk.turn()
    assert desk.sink.stored() == {(0, 1): 3}


async def test_an_idle_process_asks_for_the_time_once_a_minute() -> None:
    desk = Desk()
    for _ in range(25):
        await desk.turn()
        desk.clock.pass_by(INTERVAL_S)
    assert desk.sink.parcels == [Parcel("one", 0, ())] * 3


async def test_a_running_clerk_stores_what_came_until_it_is_closed() -> None:
    desk = Desk()
    await desk.clerk.start()
    desk.answer(1, 5)
    await turn()
    assert desk.sink.stored() == {}
    await desk.clerk.close()
    assert desk.sink.stored() == {(0, 1): 5}


async def test_a_close_during_a_parcel_stores_what_came_after_it_too() -> None:
    desk = Desk()
    clerk = desk.clerk = UsageClerk(desk.sink, clock=desk.clock, sender="x", interval_s=0.001)
    await clerk.start()
    desk.answer(1, 2)
    desk.sink.open.clear()
    await desk.sink.entered.wait()
    desk.answer(1, 3)
    closing = asyncio.ensure_future(clerk.close())
    await turn()
    desk.sink.open.set()
    await closing
    assert desk.sink.stored() == {(0, 1): 5}


async def test_a_store_that_comes_back_during_the_close_gets_everything() -> None:
    desk = Desk()
    await desk.clerk.start()
    desk.answer(1, 5)
    desk.sink.after = UnknownOutcomeError("?")
    closing = asyncio.ensure_future(desk.clerk.close())
    await turn()
    desk.sink.after = None
    await closing
    assert desk.sink.stored() == {(0, 1): 5}


async def test_what_nobody_took_is_said_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.usage.clerk._GOODBYE_S", 0.05)
    desk = Desk()
    await desk.clerk.start()
    desk.answer(1, 5)
    desk.sink.before = StoreUnavailableError("away")
    with structlog.testing.capture_logs() as lines:
        await desk.clerk.close()
    assert lines[-1] == {"event": "usage_lost", "log_level": "error", "requests": 5}


async def test_a_fault_of_the_stores_own_does_not_end_the_counting() -> None:
    desk = Desk()
    await desk.turn()
    desk.answer()
    desk.sink.before = RuntimeError("with a detail")
    with structlog.testing.capture_logs() as lines:
        await desk.turn()
    assert lines[0]["error"] == "RuntimeError"
    desk.sink.before = None
    await desk.turn()
    assert desk.sink.stored() == {(0, 1): 1}


def flat(rows: Mapping[int, Sequence[int]]) -> Counter[tuple[int, int]]:
    """Return counts by client and place."""
    return Counter(
        {(client, at): n for client, counts in rows.items() for at, n in enumerate(counts) if n}
    )


class Counting(RuleBasedStateMachine):
    """Two processes over one store: any order of answers, turns, faults, jumps and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.clock = StillClock()
        self.sink = self._run(_made(self.clock))
        self.hired = 0
        self.clerks = [self._hire(), self._hire()]
        self.answered: Counter[tuple[int, int]] = Counter()

    def _run(self, call: Any) -> Any:  # noqa: ANN401 - any coroutine
        return self._runner.run(call)

    def _hire(self) -> UsageClerk:
        self.hired += 1
        sender = str(self.hired)
        return self._run(_hired(self.sink, self.clock, sender))  # type: ignore[no-any-return]

    @rule(who=st.integers(0, 1), client=st.integers(0, 3), status=st.sampled_from(Status))
    def answer(self, who: int, client: int, status: Status) -> None:
        self.clerks[who].counter.answered(an_answer(client, status))
        self.answered[client, AT[status.lower()]] += 1

    @rule(who=st.integers(0, 1))
    def turn(self, who: int) -> None:
        self._run(self.clerks[who]._turn())

    @rule(before=st.booleans(), after=st.booleans())
    def fail(self, *, before: bool, after: bool) -> None:
        self.sink.before = StoreUnavailableError("before") if before else None
        self.sink.after = UnknownOutcomeError("after") if after else None

    @rule(seconds=st.sampled_from([1, 59, 61, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.pass_by(seconds)

    @rule(jump_s=st.sampled_from([-3600, 3600, -30, 30]))
    def clock_jumps(self, jump_s: int) -> None:
        self.clock.set_wall(jump_s)

    @precondition(lambda self: self.sink.before is None and self.sink.after is None)
    @rule(who=st.integers(0, 1))
    def restart(self, who: int) -> None:
        self._run(self.clerks[who]._turn())
        self.clerks[who] = self._hire()

    @rule(who=st.integers(0, 1))
    def kill(self, who: int) -> None:
        clerk = self.clerks[who]
        clerk._cut()
        # With a parcel out nobody can say what was stored; that is another test's.
        if clerk._parcel is None:
            for clients in clerk._waiting.values():
                self.answered -= flat(clients)
            self.clerks[who] = self._hire()

    @invariant()
    def never_more_is_stored_than_was_answered(self) -> None:
        assert not self.stored() - self.answered

    def stored(self) -> Counter[tuple[int, int]]:
        found: Counter[tuple[int, int]] = Counter()
        for (_, client), counts in self.sink.store._minutes.items():
            found += flat({client: counts})
        return found

    def teardown(self) -> None:
        self.sink.before = self.sink.after = None
        for clerk in self.clerks:
            self._run(clerk._turn())
        try:
            assert self.stored() == +self.answered
        finally:
            self._runner.close()


async def _made(clock: StillClock) -> FlakySink:
    return FlakySink(clock)


async def _hired(sink: FlakySink, clock: StillClock, sender: str) -> UsageClerk:
    return UsageClerk(sink, clock=clock, sender=sender, max_rows=1_000)


TestCounting = Counting.TestCase
TestCounting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_every_status_has_its_place() -> None:
    assert len(KINDS) == len(set(KINDS)) == len(Status) + 3
