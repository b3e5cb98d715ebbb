"""Where hosts come in: who signed is found out first, then reports go to the store in batches.

One batch is in flight; what comes meanwhile is the next one, some time later at the soonest: a
report can wait, and each of many small batches would cost as much as a large one. A report whose
batch failed is told so and comes again: the store knows which it has.

Strangers cost the store reads alone, few at a time (`_asking`, `RollCall`); a host has one report
in flight and so many in a while (`Pace`), whatever it does.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agent.report import (
    REPORT_CONTEXT,
    MalformedReportError,
    Report,
    parse,
    signature_input,
)
from server.fleet.enrolling import read_enrolment
from server.fleet.enrolment import Admission, BadTokenError, digest_of
from server.fleet.health import JUDGING, Judging
from server.fleet.hosts import HostState
from server.fleet.pace import Pace, TooFastError
from server.fleet.policy import FleetPolicy
from server.fleet.ports import MAX_BATCH, FleetBook
from server.fleet.receipt import Receipt
from server.fleet.rhythm import Rhythm
from server.fleet.roll_call import RollCall
from server.fleet.signatures import HostKey, read_signature
from server.otp.bounded_map import BoundedMap
from server.otp.ports import StoreError

QUEUE = 2_000
_KEYS_KNOWN = 100_000
"""Hosts whose key is in memory: about 20 MB."""


_PROOF_BURST, _PROOFS_PER_SECOND = 240, 1.0
"""Requests of one host about proofs: some 30 for a key that opens a channel, once a day."""

BATCH_S = 0.25
_LOOK_S = 0.05
"""From the beginning of a batch, and of a look for hosts, to that of the next one."""

_TOKEN_BURST, _TOKENS_PER_SECOND = 10, 0.1
"""Enrolments with one token: it lets one host in, which asks again when an answer was lost."""

_ASKING = 4
_ASKERS = 512
"""Strangers whose host or token is looked up at once, and that wait for it."""


_ORDINARY_FACTS, _FACTS_OF_A_REPORT = 300, 100
"""A key has some sixty facts. A report with thousands keeps verifications waiting for as long as
many others do, and counts as many."""


def _surcharge(report: Report) -> float:
    """Return as how many more than one a report counts."""
    facts = sum(len(key.facts) + len(key.unreadable) for key in report.keys)
    return max(0, facts - _ORDINARY_FACTS) / _FACTS_OF_A_REPORT


class BusyError(Exception):
    """Too many reports wait for the store, or one of the same host does."""

    def __init__(self) -> None:
        super().__init__("too many reports are waiting to be stored: send this one again later")


class Reception:
    """Takes enrolments and reports. outcomes: how many of each there were, since the start.

    judging: tells by what keys are judged now; batch_s: from the beginning of a batch to that of
    the next one.
    """

    def __init__(
        self,
        book: FleetBook,
        policy: FleetPolicy,
        *,
        pace: Pace | None = None,
        proof_pace: Pace | None = None,
        queue: int = QUEUE,
        askers: int = _ASKERS,
        batch_s: float = BATCH_S,
        judging: Callable[[], Judging] = lambda: JUDGING,
    ) -> None:
        self.policy = policy
        self.outcomes: Counter[str] = Counter()
        self._book = book
        self._queue = queue
        self._pace = pace or Pace(time.monotonic)
        self._proof_pace = proof_pace or Pace(
            time.monotonic, burst=_PROOF_BURST, per_second=_PROOFS_PER_SECOND
        )
        self._token_pace = Pace(time.monotonic, burst=_TOKEN_BURST, per_second=_TOKENS_PER_SECOND)
        self._in_flight: set[str] = set()
        self._askers = askers
        self._judging = judging
        self._asked = 0
        self._turns = asyncio.Semaphore(_ASKING)
        self._keys: BoundedMap[str, HostKey] = BoundedMap(_KEYS_KNOWN)
        self._rhythm = Rhythm(batch_s, time.monotonic)
        self._roll_call = RollCall(book.fleet_hosts, Rhythm(_LOOK_S, time.monotonic))
        self._waiting: deque[tuple[Report, asyncio.Future[Receipt]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def enrol(self, body: bytes, signature: str) -> tuple[str, Admission]:
        """Let a host in; return its id. What `read_enrolment` and the book raise passes."""
        asked = read_enrolment(body, read_signature(signature))
        # Who has no token waits for no turn at writing, which verifications wait for as well.
        digest = digest_of(asked.token)
        async with self._asking():
            known = await self._book.knows_token(digest)
        if not known:
            raise BadTokenError
        # Nor does who has one that was used, or that is too old, wait for it again and again.
        if not self._token_pace.allows(digest.hex()):
            raise TooFastError
        return asked.host_id, await self._book.enrol(asked)

    async def report(self, host_id: str, body: bytes, signature: str) -> Receipt:
        """Take a report, durably when this returns NEW or AGAIN.

        BadSignatureError, MalformedReportError, BusyError, TooFastError and the store's errors:
        nothing is stored.
        """
        key = await self._key(host_id)
        if isinstance(key, Receipt):
            return key
        key.check(signature_input(REPORT_CONTEXT, body), read_signature(signature))
        # Only what the host signed counts against it.
        if host_id in self._in_flight:
            raise BusyError
        if not self._pace.allows(host_id):
            raise TooFastError
        report = parse(body)
        if report.host != host_id:
            raise MalformedReportError("host: another one than the header says")
        self._pace.charge(host_id, _surcharge(report))
        if len(self._waiting) >= self._queue:
            raise BusyError
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append((report, future))
        self._in_flight.add(host_id)
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def hear(
        self, host_id: str, context: bytes, body: bytes, signature: str
    ) -> Receipt | None:
        """Return None when this host signed a request that is no report; or why it is not heard.

        BadSignatureError, BusyError, TooFastError and the store's errors.
        """
        key = await self._key(host_id)
        if isinstance(key, Receipt):
            return key
        key.check(signature_input(context, body), read_signature(signature))
        if not self._proof_pace.allows(host_id):
            raise TooFastError
        return None

    async def close(self) -> None:
        """Finish what waits. Whoever brings reports has to have ended before."""
        await self._roll_call.close()
        if self._task is not None:
            await self._task

    async def _key(self, host_id: str) -> HostKey | Receipt:
        """Return a host's key; it never becomes another one, so that it may be remembered."""
        known = self._keys.get(host_id)
        if known is not None:
            return known
        if self._roll_call.waiting >= self._askers:
            raise BusyError
        host = await self._roll_call.host(host_id)
        if host is None or host.state is HostState.REPLACED:
            return Receipt.UNKNOWN_HOST
        if host.state is HostState.ERASED:
            return Receipt.ERASED
        key = HostKey(host.public_key)
        self._keys.put(host_id, key)
        return key

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Wait for a turn at asking the store about a stranger. BusyError."""
        if self._asked >= self._askers:
            raise BusyError
        self._asked += 1
        try:
            async with self._turns:
                yield
        finally:
            self._asked -= 1

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._rhythm.beat()
                size = min(len(self._waiting), MAX_BATCH)
                await self._take([self._waiting.popleft() for _ in range(size)])
        finally:
            self._task = None

    async def _take(self, batch: list[tuple[Report, asyncio.Future[Receipt]]]) -> None:
        try:
            reports = [report for report, _ in batch]
            receipts = await self._book.take_reports(reports, self._judging())
        except Exception as error:  # noqa: BLE001 - whatever happened belongs to those who wait
            if len(batch) > 1 and not isinstance(error, StoreError):
                # One report that we cannot take must not keep out the others for ever.
                for one in batch:
                    await self._take([one])
                return
            self._end(batch)
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        self._end(batch)
        for (_, future), receipt in zip(batch, receipts, strict=True):
            if not future.done():
                future.set_result(receipt)

    def _end(self, batch: list[tuple[Report, asyncio.Future[Receipt]]]) -> None:
        self._in_flight.difference_update(report.host for report, _ in batch)
