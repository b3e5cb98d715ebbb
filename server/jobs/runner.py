"""The job runner: asks for each job's lease, runs it, renews meanwhile, rests until it is due.

Every process that owns a store has one. A lease that rests until the next period keeps every
other process from doing the same work again; one whose holder died ends by itself.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import structlog

from server.clock import Clock
from server.jobs.job import Job
from server.leases import Lease, LeaseBook, LeaseLostError

_log = structlog.stdlib.get_logger(__name__)
_SECOND_US = 1_000_000
_GOODBYE_S = 1.0


class JobRunner:
    """Runs jobs until it is cancelled.

    holder: names this process to people who look at the leases. lease_s: how long a dead
    process keeps a job from the others; ask_s: how often to ask whether a job is due; again_s:
    when a failed one is tried again.
    """

    def __init__(
        self,
        leases: LeaseBook,
        jobs: Sequence[Job],
        *,
        holder: str,
        clock: Clock,
        lease_s: float = 30.0,
        ask_s: float = 15.0,
        again_s: float = 300.0,
    ) -> None:
        self._leases = leases
        self._jobs = jobs
        self._holder = holder
        self._clock = clock
        self._lease_s = lease_s
        self._lease_us = round(lease_s * _SECOND_US)
        self._ask_s = ask_s
        self._again_us = round(again_s * _SECOND_US)

    async def run(self) -> None:
        """Look after all jobs, each by itself: one that hangs keeps no other from its turn."""
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._look_after(job))

    async def _look_after(self, job: Job) -> None:
        while True:
            await self.turn(job)
            await asyncio.sleep(self._ask_s)

    async def turn(self, job: Job) -> bool:
        """Run a job if it is due and nobody else does; return whether it was run to its end."""
        began = self._clock.monotonic()
        try:
            lease = await self._leases.acquire_lease(job.name, self._holder, self._lease_us)
        except Exception as fault:  # noqa: BLE001 - the store is away: asked again, and alarmed about
            _log.warning("job_not_asked_for", job=job.name, error=_describe(fault))
            return False
        if lease is None:
            return False
        try:
            await self._run(job, lease, began)
        except asyncio.CancelledError:
            # Somebody else can go on at once, and need not wait for the lease to end.
            async with _goodbye():
                await self._leases.rest_lease(lease)
            raise
        except LeaseLostError as lost:
            _log.warning("job_lost_its_lease", job=job.name, error=str(lost))
            return False
        except Exception as fault:  # noqa: BLE001 - the job's boundary
            _log.error("job_failed", job=job.name, error=_describe(fault))
            await self._rest(lease, lease.granted_us + self._again_us)
            return False
        await self._rest(lease, job.next_us(lease.granted_us))
        return True

    async def _run(self, job: Job, lease: Lease, began: float) -> None:
        """Run a job to its end, and renew its lease; LeaseLostError when that did not work.

        began: by our monotonic clock, not later than the grant. So we know without asking
        anybody when the lease has ended, also when the store is out of reach.
        """
        ends = began + self._lease_s
        task = asyncio.ensure_future(job.run(lease))
        try:
            while True:
                await asyncio.wait({task}, timeout=self._lease_s / 3)
                if task.done():
                    return task.result()
                ends = await self._renew(lease, ends)
        finally:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _renew(self, lease: Lease, ends: float) -> float:
        """Prolong a lease and return when it ends now; LeaseLostError when it has ended."""
        now = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, ends - now)):
                await self._leases.renew_lease(lease, self._lease_us)
        except TimeoutError:
            raise LeaseLostError(lease) from None
        except LeaseLostError:
            raise
        except Exception as fault:
            # There may be time for another attempt.
            if self._clock.monotonic() >= ends:
                raise LeaseLostError(lease) from fault
            return ends
        return now + self._lease_s

    async def _rest(self, lease: Lease, until_us: int) -> None:
        """Keep everybody from a job until it is due; else the lease ends by itself, too early.

        A job must bear to be run twice: here the store may be out of reach.
        """
        try:
            await self._leases.rest_lease(lease, until_us)
        except Exception as fault:  # noqa: BLE001 - nothing else can be done about it
            _log.warning("job_not_put_to_rest", job=lease.name, error=_describe(fault))


@contextlib.asynccontextmanager
async def _goodbye() -> AsyncIterator[None]:
    """Do something short at the end, and not mind whether it works."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_GOODBYE_S):
            yield


def _describe(fault: Exception) -> str:
    """Return the words of our own exceptions; of others the type: their words may quote data."""
    kind = type(fault)
    if kind.__module__.partition(".")[0] in {"server", "hsm"}:
        return str(fault)
    return f"{kind.__module__}.{kind.__qualname__}"


def run_jobs(
    stack: AsyncExitStack,
    leases: LeaseBook,
    clock: Clock,
    jobs: Sequence[Job],
    *,
    ask_s: float = 15.0,
) -> None:
    """Run some jobs until `stack` ends, and let go of them then."""
    holder = f"{socket.gethostname()}/{os.getpid()}"
    runner = JobRunner(leases, jobs, holder=holder, clock=clock, ask_s=ask_s)
    task = asyncio.get_running_loop().create_task(runner.run())

    async def stop() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)
