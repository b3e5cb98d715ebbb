"""The job that judges keys anew: a file was loaded, a rule or a key became another, a day came.

It reads a few keys, judges them between other things that this process does, and writes them in a
short transaction: verification waits for none of it longer than for any other small change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime

import structlog

from server.clock import Clock
from server.fleet.advisory_ports import AdvisoryBook, JudgedKey, Judgement
from server.fleet.rejudging import rejudge
from server.fleet.rulebook import Rulebook
from server.fleet.shelf import Shelf
from server.jobs.job import Job
from server.leases import Lease

_log = structlog.stdlib.get_logger(__name__)

PERIOD_S = 10
BATCH = 20
"""Keys that are written in one transaction."""

_AT_ONCE = 3
"""Keys that are judged before others get their turn: about a millisecond."""

REST_S = 0.02
"""Between two transactions."""


class FleetJudging:
    """Judges keys under the rulebook of a shelf. rest: waits that many seconds."""

    def __init__(
        self,
        book: AdvisoryBook,
        shelf: Shelf,
        *,
        clock: Clock,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
        batch: int = BATCH,
    ) -> None:
        self._book = book
        self._shelf = shelf
        self._clock = clock
        self._rest = rest
        self._batch = batch

    @property
    def job(self) -> Job:
        """Return it as a job."""
        return Job("fleet-judging", PERIOD_S, self.run)

    async def run(self, lease: Lease | None = None) -> None:
        """Judge all keys that are not judged by what stands now, or whose day has come."""
        await self._shelf.refresh(self._book)
        today = datetime.fromtimestamp(self._clock.now_us() // 1_000_000, UTC).date()
        rulebook = self._shelf.rulebook(today)
        while await self._book.call_due(today, self._batch, lease=lease):
            await self._rest(REST_S)
        edition, judged, after = self._shelf.file.edition, 0, ""
        while page := await self._book.judged_otherwise(rulebook.stamp, after, self._batch):
            judgements = await self._judge(page, rulebook, today)
            judged += await self._book.keep_judgements(
                judgements, stamp=rulebook.stamp, edition=edition, today=today, lease=lease
            )
            after = page[-1].key.key_id
            await self._rest(REST_S)
        if judged:
            _log.info("fleet_judged", keys=judged, edition=edition, rulebook=rulebook.stamp)

    async def _judge(
        self, page: Sequence[JudgedKey], rulebook: Rulebook, today: date
    ) -> Sequence[Judgement]:
        found: list[Judgement] = []
        for first in range(0, len(page), _AT_ONCE):
            found += [rejudge(one, rulebook, today) for one in page[first : first + _AT_ONCE]]
            await self._rest(0)
        return found
