"""The jobs that every installation has."""

from collections.abc import Mapping
from typing import Protocol

import structlog

from server.facts import FactBook
from server.jobs.job import Job
from server.journal.desk import JournalDesk
from server.leases import Lease
from server.ledger.desk import LedgerDesk
from server.ledger.entry import Kind
from server.ledger.ports import LedgerBook
from server.probing.ports import ProbeBook
from server.uptime.ports import ClosedDay
from server.uptime.segment import DAY_MINUTES
from server.usage.ports import UsageBook

_log = structlog.stdlib.get_logger(__name__)

DAY_S = 24 * 60 * 60
FACTS_KEPT_DAYS = 30
"""How long facts stay that every reader is done with: a person may want to look."""

ROUNDS_KEPT_DAYS = 35
"""How long single rounds stay: a person may want to know why a minute was bad."""

_DAY_US = DAY_S * 1_000_000
_MINUTE_US = 60_000_000


def journal_checkpoint(desk: JournalDesk) -> Job:
    """Sign once a day where the journal ends."""

    async def run(lease: Lease) -> None:
        checkpoint = await desk.checkpoint(lease)
        # In the log too, which many ship to another machine at once.
        _log.info("journal_checkpoint", checkpoint=checkpoint.to_json())

    return Job("journal-checkpoint", DAY_S, run)


def ledger_checkpoint(desk: LedgerDesk) -> Job:
    """Sign once a day where the ledger ends."""

    async def run(lease: Lease) -> None:
        checkpoint = await desk.checkpoint(lease)
        _log.info("ledger_checkpoint", checkpoint=checkpoint.to_json())

    return Job("ledger-checkpoint", DAY_S, run)


class UsageKeeper(UsageBook, Protocol):
    """Keeps minutes, and knows which of them are rolled up."""

    async def last_closed(self) -> ClosedDay | None:
        """Return the last day that was rolled up."""
        ...


class StoreTime(Protocol):
    """Tells the store's time."""

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch."""
        ...


def usage_pruning(book: UsageKeeper, kept_days: int) -> Job:
    """Remove once a day the minutes that are too old, and that are rolled up."""

    async def run(lease: Lease) -> None:
        before = (await book.store_time_us() - kept_days * _DAY_US) // _MINUTE_US
        last = await book.last_closed()
        rolled_up = 0 if last is None else (last.day + 1) * DAY_MINUTES
        while await book.prune_usage(min(before, rolled_up), lease):
            pass

    return Job("usage-pruning", DAY_S, run)


def ledger_pruning(book: LedgerBook, time: StoreTime, kept_days: Mapping[Kind, int]) -> Job:
    """Erase once a day the payloads that are too old, each kind by its own time."""

    async def run(lease: Lease) -> None:
        now_us = await time.store_time_us()
        for kind, days in kept_days.items():
            while await book.prune_payloads(kind, now_us - days * _DAY_US, lease):
                pass

    return Job("ledger-pruning", DAY_S, run)


def probe_pruning(book: ProbeBook, time: StoreTime) -> Job:
    """Remove once a day the rounds of probers that are too old; what minutes came to stays."""

    async def run(lease: Lease) -> None:
        before_us = await time.store_time_us() - ROUNDS_KEPT_DAYS * _DAY_US
        while await book.prune_findings(before_us, lease):
            pass

    return Job("probe-pruning", DAY_S, run)


def facts_pruning(facts: FactBook, time: StoreTime) -> Job:
    """Remove once a day the facts that nobody waits for."""

    async def run(lease: Lease) -> None:
        before_us = await time.store_time_us() - FACTS_KEPT_DAYS * _DAY_US
        while await facts.prune_facts(before_us, lease):
            pass

    return Job("facts-pruning", DAY_S, run)
