"""What the room for reports needs of the store and of the rooms below."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from server.incidents.availability import Availability
from server.incidents.intervals import Span
from server.journal.acts import Act
from server.journal.entry import End
from server.leases import Lease
from server.ledger.entry import Entry
from server.reports.regulatory import RegulatoryRecord, RegulatoryReminder
from server.reports.regulatory_steps import RegulatoryDecision
from server.reports.revisions import Report, ReportDecision
from server.uptime.desk import DayCounts
from server.uptime.ports import ClosedDay
from server.uptime.rollup import Counted
from server.uptime.segment import Segment


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

    async def all_regulatory(self) -> Mapping[int, Sequence[RegulatoryRecord]]:
        """Return what was written down for authorities, by incident: there are few."""
        ...

    async def remind_regulatory(
        self, reminders: Sequence[RegulatoryReminder], lease: Lease | None = None
    ) -> int:
        """Write a fact for each that was not told before; return of how many. LeaseLostError."""
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch, by the store's clock."""
        ...


class Figures(Protocol):
    """Computes figures: `server.uptime.desk.UptimeDesk`. client_id: None for all together."""

    async def as_of(self) -> int:
        """Return the end of the last minute of which all is known, in seconds."""
        ...

    async def availability(
        self,
        client_id: int | None,
        period: Span,
        as_of: int | None = None,
        *,
        notice_s: int | None = None,
    ) -> Availability:
        """Return the figure of a period. notice_s: None for the one that is configured."""
        ...

    async def availabilities(
        self, period: Span, as_of: int | None = None, *, notice_s: int | None = None
    ) -> Mapping[int, Availability]:
        """Return the figures of every client of which anything was counted, and under 0 of all."""
        ...

    async def days(
        self, client_id: int | None, first_day: int, end_day: int
    ) -> Sequence[DayCounts]:
        """Return what was answered day by day; days are since the epoch."""
        ...


class Counts(Protocol):
    """Keeps what was counted, and the ledger. Raises the store's errors."""

    async def counted(self, first: int, end: int) -> Sequence[Counted]:
        """Return what all clients were answered in some minutes since the epoch, in order."""
        ...

    async def last_closed(self) -> ClosedDay | None:
        """Return the last day that was rolled up."""
        ...

    async def segments(
        self, first_day: int, end_day: int, client_id: int | None = None
    ) -> Sequence[Segment]:
        """Return segments of closed days that touch a range; None: of everybody."""
        ...

    async def ledger_end(self) -> End:
        """Return where the ledger ends."""
        ...

    async def ledger_entries(self, after: int, limit: int) -> Sequence[Entry]:
        """Return up to `limit` entries with a number beyond `after`, in order."""
        ...
