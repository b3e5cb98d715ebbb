"""The jobs at notices: one plans and sends for as long as it holds the lease, one removes the old.

A person is called within seconds of a step's being due, so nobody waits for a period to begin.
"""

import asyncio
from typing import NoReturn

import structlog

from server.jobs.job import Job
from server.jobs.standing import DAY_S
from server.leases import Lease
from server.notices.dispatcher import Dispatcher
from server.notices.ports import DeliveryBook
from server.otp.ports import StoreError

TURN_S = 2.0
"""How soon what happened is told."""

_DAY_US = DAY_S * 1_000_000

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class NoticeJob:
    """Runs a dispatcher for as long as the lease is held."""

    def __init__(self, dispatcher: Dispatcher, *, turn_s: float = TURN_S) -> None:
        self._dispatcher = dispatcher
        self._turn_s = turn_s
        self._complaint = ""
        self.job = Job("notices", 1, self._run)

    async def _run(self, lease: Lease) -> NoReturn:
        while True:
            more = await self._turn(lease)
            await asyncio.sleep(0 if more else self._turn_s)

    async def _turn(self, lease: Lease) -> bool:
        try:
            await self._dispatcher.begin()
            more = await self._dispatcher.turn(lease)
        except StoreError as error:
            # It is tried again in a moment, and said once.
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("notices_not_sent", error=self._complaint)
            return False
        self._complaint = ""
        return more


def deliveries_pruning(book: DeliveryBook, kept_days: int) -> Job:
    """Remove once a day what was told long ago; the ledger keeps that it was."""

    async def run(lease: Lease) -> None:
        before_us = await book.store_time_us() - kept_days * _DAY_US
        while await book.prune_deliveries(before_us, lease):
            pass

    return Job("deliveries-pruning", DAY_S, run)
