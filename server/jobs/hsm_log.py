"""The jobs at the HSMs' logs: each device's pump, and the reconciling of what they tell."""

import asyncio
from typing import NoReturn

import structlog

from hsm.vault import VaultError
from server.hsm_log.pump import LogPump
from server.hsm_log.reconciler import Reconciler
from server.jobs.job import Job
from server.leases import Lease
from server.otp.ports import StoreError

POLL_S = 1.0
"""How often a device is asked how full its log is: one command, outside of any session."""
BUSY_S = 0.05
"""How soon it is asked again after its log was carried away: somebody may be filling it."""
RECONCILE_S = 900

_log = structlog.stdlib.get_logger(__name__)


class PumpJob:
    """Runs a pump for as long as the lease is held.

    device: names it in the lease, the same on every machine that reaches the same device.
    """

    def __init__(self, pump: LogPump, device: str, *, poll_s: float = POLL_S) -> None:
        self._pump = pump
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._complaint = ""
        self.job = Job(f"hsm-log-{device}", 1, self._run)

    async def make_room(self) -> None:
        """Return when the log was carried away, for who is about to fill it, or found it full.

        Raises VaultError or StoreError when that failed. Waits while another machine has the job.
        """
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._wake.set()
        await waiting

    async def _run(self, lease: Lease) -> NoReturn:
        while True:
            busy = await self._turn(lease)
            try:
                async with asyncio.timeout(min(BUSY_S, self._poll_s) if busy else self._poll_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _turn(self, lease: Lease) -> bool:
        self._wake.clear()
        asked, self._waiting = self._waiting, []
        try:
            carried = await self._pump.turn(lease, now=bool(asked))
        except (VaultError, StoreError) as error:
            # It is tried again in a moment; said once, and the age of the last reading grows.
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("hsm_log_not_read", error=self._complaint)
            for one in asked:
                _settle(one, error)
            return False
        except BaseException:
            self._waiting += asked  # the next holder of the lease sees to them
            raise
        self._complaint = ""
        for one in asked:
            _settle(one, None)
        return carried


def _settle(waiting: asyncio.Future[None], error: Exception | None) -> None:
    if waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)


def aead_reconciling(reconciler: Reconciler) -> Job:
    """Compare every quarter of an hour what was created with what is stored."""
    return Job("hsm-reconcile", RECONCILE_S, reconciler.look)
