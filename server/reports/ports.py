"""What the room for reports needs of the store and of the rooms below."""

from collections.abc import Sequence
from typing import Protocol

from server.journal.acts import Act
from server.reports.regulatory import RegulatoryRecord
from server.reports.regulatory_steps import RegulatoryDecision
from server.reports.revisions import Report, ReportDecision


class ReportBook(Protocol):
    """Keeps reports and what was told to authorities: histories that only grow.

    A change is durable when the call returns, and in the journal; what leaves the house is in the
    ledger, too. Decisions are made one after the other, by the store's time, within the
    transaction that records them; what they raise passes. That the incident exists is the
    caller's to know. Raises the store's errors (server.otp.ports).
    """

    async def incident_report(self, incident_id: int) -> Report:
        """Return the report of an incident, with an empty history when there is none."""
        ...

    async def continue_report(
        self, incident_id: int, decision: ReportDecision, *, act: Act
    ) -> Report:
        """Append to a report."""
        ...

    async def regulatory_records(self, incident_id: int) -> Sequence[RegulatoryRecord]:
        """Return what was written down for authorities, in order."""
        ...

    async def continue_regulatory(
        self, incident_id: int, reported_us: int, decision: RegulatoryDecision, *, act: Act
    ) -> Sequence[RegulatoryRecord]:
        """Append to it, and return all of it."""
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch, by the store's clock."""
        ...
