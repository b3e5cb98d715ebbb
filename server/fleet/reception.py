"""Where hosts come in: who signed is found out first, then reports go to the store in batches.

One batch is in flight; what comes meanwhile is the next one. A report whose batch failed is told so
and comes again: the store knows which it has.
"""

import asyncio
from collections import Counter, deque

from agent.report import (
    REPORT_CONTEXT,
    MalformedReportError,
    Report,
    parse,
    signature_input,
)
from server.fleet.enrolling import read_enrolment
from server.fleet.enrolment import Admission
from server.fleet.hosts import HostState
from server.fleet.policy import FleetPolicy
from server.fleet.ports import MAX_BATCH, FleetBook
from server.fleet.receipt import Receipt
from server.fleet.signatures import HostKey, read_signature
from server.otp.bounded_map import BoundedMap

QUEUE = 2_000
_KEYS_KNOWN = 100_000
"""Hosts whose key is in memory: about 20 MB."""


class BusyError(Exception):
    """Too many reports wait for the store."""

    def __init__(self) -> None:
        super().__init__("too many reports are waiting to be stored: send this one again later")


class Reception:
    """Takes enrolments and reports. outcomes: how many of each there were, since the start."""

    def __init__(self, book: FleetBook, policy: FleetPolicy, *, queue: int = QUEUE) -> None:
        self.policy = policy
        self.outcomes: Counter[str] = Counter()
        self._book = book
        self._queue = queue
        self._keys: BoundedMap[str, HostKey] = BoundedMap(_KEYS_KNOWN)
        self._waiting: deque[tuple[Report, asyncio.Future[Receipt]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def enrol(self, body: bytes, signature: str) -> tuple[str, Admission]:
        """Let a host in; return its id. What `read_enrolment` and the book raise passes."""
        asked = read_enrolment(body, read_signature(signature))
        return asked.host_id, await self._book.enrol(asked)

    async def report(self, host_id: str, body: bytes, signature: str) -> Receipt:
        """Take a report, durably when this returns NEW or AGAIN.

        BadSignatureError, MalformedReportError, BusyError and the store's errors: nothing is
        stored.
        """
        key = await self._key(host_id)
        if isinstance(key, Receipt):
            return key
        key.check(signature_input(REPORT_CONTEXT, body), read_signature(signature))
        report = parse(body)
        if report.host != host_id:
            raise MalformedReportError("host: another one than the header says")
        if len(self._waiting) >= self._queue:
            raise BusyError
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((report, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Finish what waits. Whoever brings reports has to have ended before."""
        if self._task is not None:
            await self._task

    async def _key(self, host_id: str) -> HostKey | Receipt:
        """Return a host's key; it never becomes another one, so that it may be remembered."""
        known = self._keys.get(host_id)
        if known is not None:
            return known
        host = await self._book.fleet_host(host_id)
        if host is None or host.state is HostState.REPLACED:
            return Receipt.UNKNOWN_HOST
        if host.state is HostState.ERASED:
            return Receipt.ERASED
        key = HostKey(host.public_key)
        self._keys.put(host_id, key)
        return key

    async def _drain(self) -> None:
        try:
            while self._waiting:
                size = min(len(self._waiting), MAX_BATCH)
                await self._take([self._waiting.popleft() for _ in range(size)])
        finally:
            self._task = None

    async def _take(self, batch: list[tuple[Report, asyncio.Future[Receipt]]]) -> None:
        try:
            receipts = await self._book.take_reports([report for report, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever happened belongs to those who wait
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), receipt in zip(batch, receipts, strict=True):
            if not future.done():
                future.set_result(receipt)
