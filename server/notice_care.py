"""What a process does for notices: the job that tells people, and what links to acknowledge do.

The job runs on one machine at a time, by the notice board of that machine: the file is to be the
same on all of them, as the configuration is.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.clock import Clock
from server.config import Config
from server.foundation import Foundation
from server.incident_care import desk_over
from server.incidents.ports import IncidentBook
from server.jobs.job import Job
from server.jobs.notices import NoticeJob, deliveries_pruning
from server.leases import Lease
from server.notices.acknowledging import AcknowledgementDesk, AcknowledgementSource
from server.notices.board_file import BoardFile
from server.notices.delivery import Standing
from server.notices.dispatcher import READER, Dispatcher, LinkMaker
from server.notices.sending import Way
from server.outgoing.senders import senders_for
from server.reports.published import PublishedReports
from server.storage.identity import StoredJournalKeys, StoredValues

_UNREAD_US = 7 * 86_400 * 1_000_000


def board_file(config: Config, clock: Clock) -> BoardFile | None:
    """Return the notice board, None when nobody is told anything."""
    file = config.notices.file
    return None if file is None else BoardFile(Path(file), clock=clock)


def open_dispatcher(base: Foundation, clock: Clock, board: BoardFile) -> Dispatcher:
    """Return what plans and sends."""
    return Dispatcher(
        facts=base.store,
        book=base.store,
        incidents=base.store,
        reports=PublishedReports(base.store),
        board=board,
        senders=lambda known: senders_for(known, clock),
        links=LinkMaker(base.journal.signer, base.salt),
    )


def notice_jobs(config: Config, base: Foundation, dispatcher: Dispatcher | None) -> Sequence[Job]:
    """Return the jobs at notices. dispatcher: None when nobody is told anything."""
    pruning = deliveries_pruning(base.store, config.notices.kept_days)
    if dispatcher is None:
        return [pruning, _forgetting(base)]
    return [pruning, NoticeJob(dispatcher).job]


def notice_families(
    board: BoardFile, attempts: Mapping[tuple[Way, Standing], int]
) -> Iterator[Metric]:
    """Yield what became of attempts to tell somebody, and whether the board can be read."""
    board.board()
    yield GaugeMetricFamily(
        "keystead_notice_board_spoilt",
        "1 while the file of the notice board cannot be read: an older one is used, or none.",
        value=float(bool(board.complaint)),
    )
    family = CounterMetricFamily(
        "keystead_notice_attempts",
        "Attempts to tell somebody something, by way and by how the delivery stood afterwards.",
        labels=["way", "standing"],
    )
    # From zero, so that the first one that fails is seen as an increase.
    for way in Way:
        for standing in (Standing.DELIVERED, Standing.WAITING, Standing.GIVEN_UP):
            family.add_metric([way.value, standing.value], attempts.get((way, standing), 0))
    yield family


def _forgetting(base: Foundation) -> Job:
    """Forget the reader of facts when nobody has read for long: it would hold up their pruning.

    Not at once: another machine, whose configuration is not the same yet, may read for it.
    """

    async def run(lease: Lease) -> None:
        del lease
        facts = base.store
        with contextlib.suppress(LookupError):
            unread = await facts.unread_facts(READER, 1)
            if unread and unread[0].time_us < await facts.store_time_us() - _UNREAD_US:
                await facts.unsubscribe(READER)

    return Job("notices-off", 86_400, run)


class LinkStore(IncidentBook, StoredValues, Protocol):
    """What has to be read and written for a link."""


def acknowledgements(
    config: Config,
    store: LinkStore,
    clock: Clock,
    board: BoardFile | None,
    *,
    salt: bytes,
    own_key: bytes | None = None,
) -> AcknowledgementSource | None:
    """Return what is behind links, for a process with a store; None when nobody is called.

    own_key: the public key of this machine, None when this process does not know it.
    """
    if board is None:
        return None

    async def now_s() -> int:
        return await store.store_time_us() // 1_000_000

    keys = StoredJournalKeys(store, clock, own=own_key)
    return AcknowledgementDesk(desk_over(config, store), keys, board, salt=salt, now_s=now_s)
