"""The runner: a job is run once in a period whoever asks, and ends with its lease."""

import asyncio

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from server.jobs.job import Job
from server.jobs.runner import JobRunner
from server.leases import Lease
from server.otp.ports import StoreUnavailableError
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY

HOUR_S = 3600
QUICK_S = 0.06


class LeaseStore(MemoryStore):
    """A store that counts renewals and can be out of reach. renewed: set by each."""

    def __init__(self, clock: StillClock) -> None:
        super().__init__(clock=clock, default_policy=POLICY)
        self.unreachable = False
        self.renewed = asyncio.Event()
        self.tried = asyncio.Event()

    async def acquire_lease(self, name: str, holder: str, duration_us: int) -> Lease | None:
        self._reach()
        return await super().acquire_lease(name, holder, duration_us)

    async def renew_lease(self, lease: Lease, duration_us: int) -> Lease:
        self.tried.set()
        self._reach()
        self.renewed.set()
        return await super().renew_lease(lease, duration_us)

    async def rest_lease(self, lease: Lease, until_us: int = 0) -> None:
        self._reach()
        await super().rest_lease(lease, until_us)

    def _reach(self) -> None:
        if self.unreachable:
            raise StoreUnavailableError("the store is away")


class Work:
    """A job's work. hold: it goes on until `go`. fault: raised at its end."""

    def __init__(self) -> None:
        self.leases: list[Lease] = []
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.fault: Exception | None = None
        self.cancelled = 0

    async def run(self, lease: Lease) -> None:
        self.leases.append(lease)
        self.began.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fault is not None:
            raise self.fault


class House:
    """A store, some work to do, and a machine or more to do it."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.store = LeaseStore(self.clock)
        self.work = Work()
        self.job = Job("work", HOUR_S, self.work.run)

    def runner(self, holder: str = "one", *, lease_s: float = 30.0) -> JobRunner:
        return JobRunner(
            self.store,
            [self.job],
            holder=holder,
            clock=self.clock,
            lease_s=lease_s,
            ask_s=0.0,
            again_s=300.0,
        )


@pytest.fixture
async def house() -> House:
    return House()


@given(st.integers(0, 2**52), st.integers(1, 10**6))
def test_a_period_begins_after_now_and_within_its_length(now_us: int, period_s: int) -> None:
    job = Job("work", period_s, lambda _: asyncio.sleep(0))
    following = job.next_us(now_us)
    assert following % (period_s * 1_000_000) == 0
    assert now_us < following <= now_us + period_s * 1_000_000


async def test_a_job_is_done_once_in_a_period_whoever_asks(house: House) -> None:
    one, two = house.runner("one"), house.runner("two")
    for period in range(1, 4):
        done = [await runner.turn(house.job) for runner in (one, two, one, two)]
        assert done == [True, False, False, False]
        assert len(house.work.leases) == period
        house.clock.pass_by(HOUR_S - 1)
        assert not await two.turn(house.job)
        house.clock.pass_by(1)
    tokens = [lease.token for lease in house.work.leases]
    assert tokens == sorted(set(tokens))


async def test_while_one_does_it_nobody_else_does(house: House) -> None:
    house.work.go.clear()
    doing = asyncio.create_task(house.runner("one").turn(house.job))
    await house.work.began.wait()
    assert not await house.runner("two").turn(house.job)
    house.work.go.set()
    assert await doing
    assert [lease.holder for lease in house.work.leases] == ["one"]


async def test_a_job_that_fails_is_an_alarm_and_tried_again_soon(house: House) -> None:
    house.work.fault = StoreUnavailableError("the disk is full")
    runner = house.runner()
    with structlog.testing.capture_logs() as lines:
        assert not await runner.turn(house.job)
    assert [(line["event"], line["log_level"], line["error"]) for line in lines] == [
        ("job_failed", "error", "the disk is full")
    ]
    house.clock.pass_by(299)
    assert not await runner.turn(house.job)
    assert len(house.work.leases) == 1
    house.clock.pass_by(1)
    house.work.fault = None
    assert await runner.turn(house.job)


async def test_s10_a_strange_fault_is_told_by_its_kind_alone(house: House) -> None:
    house.work.fault = KeyError("canary")
    with structlog.testing.capture_logs() as lines:
        await house.runner().turn(house.job)
    (line,) = lines
    assert line["error"] == "builtins.KeyError"
    assert "canary" not in str(lines)


async def test_a_long_job_keeps_its_lease(house: House) -> None:
    house.work.go.clear()
    doing = asyncio.create_task(house.runner(lease_s=QUICK_S).turn(house.job))
    for _ in range(3):
        house.store.renewed.clear()
        await house.store.renewed.wait()
    assert not await house.runner("two").turn(house.job)
    house.work.go.set()
    assert await doing


async def test_a_job_whose_lease_somebody_else_has_is_stopped(house: House) -> None:
    house.work.go.clear()
    with structlog.testing.capture_logs() as lines:
        doing = asyncio.create_task(house.runner("one", lease_s=QUICK_S).turn(house.job))
        await house.work.began.wait()
        house.clock.us += 10**9  # the store's time; by our own clock nothing happened
        taken = await house.store.acquire_lease("work", "two", 10**9)
        assert not await doing
    assert house.work.cancelled == 1
    assert [line["event"] for line in lines] == ["job_lost_its_lease"]
    assert taken is not None
    await house.store.renew_lease(taken, 10**9)


async def test_a_job_is_stopped_when_its_lease_cannot_be_renewed_in_time(house: House) -> None:
    house.work.go.clear()
    with structlog.testing.capture_logs() as lines:
        doing = asyncio.create_task(house.runner(lease_s=QUICK_S).turn(house.job))
        await house.work.began.wait()
        house.store.unreachable = True
        for _ in range(2):
            house.store.tried.clear()
            await house.store.tried.wait()
        assert house.work.cancelled == 0, "there is time left for another attempt"
        house.clock.pass_by(1)
        assert not await doing
    assert house.work.cancelled == 1
    assert [line["event"] for line in lines] == ["job_lost_its_lease"]


async def test_a_store_out_of_reach_is_asked_again(house: House) -> None:
    runner = house.runner()
    house.store.unreachable = True
    with structlog.testing.capture_logs() as lines:
        assert not await runner.turn(house.job)
        house.store.unreachable = False
        house.work.go.clear()
        doing = asyncio.create_task(runner.turn(house.job))
        await house.work.began.wait()
        house.store.unreachable = True
        house.work.go.set()
        assert await doing, "it was done, though that could not be noted"
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("job_not_asked_for", "warning"),
        ("job_not_put_to_rest", "warning"),
    ]


async def test_a_runner_that_ends_lets_another_go_on_at_once(house: House) -> None:
    house.work.go.clear()
    running = asyncio.create_task(house.runner("one").run())
    await house.work.began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert house.work.cancelled == 1
    house.work.go.set()
    assert await house.runner("two").turn(house.job)


async def test_a_runner_looks_after_all_its_jobs_by_themselves(house: House) -> None:
    hanging, other = Work(), Work()
    hanging.go.clear()
    jobs = [Job("hanging", HOUR_S, hanging.run), Job("other", HOUR_S, other.run)]
    runner = JobRunner(house.store, jobs, holder="one", clock=house.clock, ask_s=0.0)
    running = asyncio.create_task(runner.run())
    await hanging.began.wait()
    for _ in range(3):
        await other.began.wait()
        other.began.clear()
        house.clock.us += HOUR_S * 10**6
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(other.leases) >= 3
    assert len(hanging.leases) == 1
