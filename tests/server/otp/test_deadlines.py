"""One timer for all deadlines: those who are late are cut off, nobody else is."""

import asyncio

import pytest

from server.clock import SystemClock
from server.otp.deadlines import Deadline, DeadlinePassedError, Deadlines
from tests.server.faulty_store import turn
from tests.server.still_clock import StillClock


async def wait_within(deadlines: Deadlines, seconds: float, event: asyncio.Event) -> str:
    with deadlines.within(seconds):
        await event.wait()
    return "done"


async def test_only_those_who_are_late_are_cut_off() -> None:
    clock, event = StillClock(), asyncio.Event()
    deadlines = Deadlines(clock)
    tasks = [asyncio.create_task(wait_within(deadlines, s, event)) for s in (1, 2, 3)]
    await turn()
    clock.pass_by(2)
    deadlines.sweep()
    for late in tasks[:2]:
        with pytest.raises(DeadlinePassedError):
            await late
        assert late.cancelling() == 0
    event.set()
    assert await tasks[2] == "done"
    assert not deadlines.watched


async def test_the_timer_strikes_by_itself() -> None:
    deadlines = Deadlines(SystemClock())
    with pytest.raises(DeadlinePassedError):
        await wait_within(deadlines, 0.01, asyncio.Event())


async def test_the_timer_goes_on_while_anybody_is_watched_and_then_ends() -> None:
    clock, event = StillClock(), asyncio.Event()
    deadlines = Deadlines(clock)
    task = asyncio.create_task(wait_within(deadlines, 1, event))
    await turn()
    deadlines._tick()
    assert deadlines._timer is not None
    event.set()
    await task
    deadlines._tick()
    assert deadlines._timer is None


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    clock = StillClock()
    deadlines = Deadlines(clock)
    task = asyncio.create_task(wait_within(deadlines, 1, asyncio.Event()))
    await turn()
    task.cancel()
    clock.pass_by(1)
    deadlines.sweep()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_body_goes_through() -> None:
    deadlines = Deadlines(StillClock())
    with pytest.raises(KeyError), deadlines.within(1):
        raise KeyError
    assert not deadlines.watched


async def test_a_task_can_have_one_deadline_after_the_other() -> None:
    clock = StillClock()
    deadlines = Deadlines(clock)

    async def twice() -> int:
        struck = 0
        for _ in range(2):
            try:
                await wait_within(deadlines, 1, asyncio.Event())
            except DeadlinePassedError:
                struck += 1
        return struck

    task = asyncio.create_task(twice())
    for _ in range(2):
        await turn()
        clock.pass_by(1)
        deadlines.sweep()
    assert await task == 2


async def test_outside_of_a_task_there_is_nothing_to_cut_off() -> None:
    tried: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def callback() -> None:
        with pytest.raises(RuntimeError, match="inside a task"), Deadline({}, 1.0):
            pytest.fail("nobody could end this")
        tried.set_result(True)

    asyncio.get_running_loop().call_soon(callback)
    assert await tried
