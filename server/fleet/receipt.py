"""Whether a report is new, come again, or of somebody who uses another's identity. Pure."""

import enum
from typing import NamedTuple

from agent.report import Report
from server.fleet.hosts import Host, HostState


class Receipt(enum.Enum):
    """What becomes of a report."""

    NEW = "new"
    AGAIN = "again"
    """It is here already: its answer was lost."""
    CLASH = "sequence-taken"
    """Its number was used for another report: the host was copied, or put back to an old state."""
    UNKNOWN_HOST = "unknown-host"
    ERASED = "erased"
    FULL = "too-many-keys"
    """It names more new keys than one host may bring: nothing of it is stored."""


class Progress(NamedTuple):
    """What a new report says of those before it. missing: that never came, of this gap alone."""

    dropped: int
    missing: int


def receive(host: Host | None, report: Report) -> Receipt:
    """Return what to do with a report whose signature is right."""
    if host is None or host.state is HostState.REPLACED:
        return Receipt.UNKNOWN_HOST
    if host.state is HostState.ERASED:
        return Receipt.ERASED
    if report.sequence > host.sequence:
        return Receipt.NEW
    # Agents send one report at a time, oldest first: only the last one can be sent again.
    same = report.sequence == host.sequence and report.report_id == host.last_report
    return Receipt.AGAIN if same else Receipt.CLASH


def progress(host: Host, report: Report) -> Progress:
    """Return how many reports between the last one and this were given up, or lost."""
    gap = report.sequence - host.sequence - 1
    given_up = max(0, report.dropped - host.dropped)
    # What came between a backup and the accident is lost here, and is no fault of the host's.
    missing = 0 if host.is_restored else max(0, gap - given_up)
    return Progress(dropped=max(report.dropped, host.dropped), missing=missing)
