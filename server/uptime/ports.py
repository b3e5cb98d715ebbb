"""What the room for uptime needs of a store, and of whoever keeps incidents.

Minutes and days are whole ones since the epoch, of UTC, by the store's clock.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from server.incidents.intervals import Span
from server.incidents.record import Incident
from server.leases import Lease
from server.maintenance.plan import Maintenance
from server.uptime.rollup import Counted, ProbeMinute
from server.uptime.segment import Segment, Stretch


class ClosedDay(NamedTuple):
    """A day that was rolled up. root: of its segments but the probes'; segments: how many.

    requests: everything that was counted, of whomever; probes: what probers found, None when none
    looked; min_requests, notice_s: the rule in force, by which reports up to this day are made.
    """

    day: int
    root: bytes
    segments: int
    requests: int
    min_requests: int
    notice_s: int
    probes: Segment | None


class UptimeBook(Protocol):
    """Keeps what was counted, and what became of it. Raises the store's errors."""

    async def add_probes(self, minutes: Sequence[ProbeMinute]) -> None:
        """Add to what probers found. Durable on return; not idempotent."""
        ...

    async def probe_minutes(self, first: int, end: int) -> Sequence[ProbeMinute]:
        """Return what probers found in the minutes from `first` up to, not including, `end`."""
        ...

    async def counted(self, first: int, end: int) -> Sequence[Counted]:
        """Return what all clients were answered, in order of minutes."""
        ...

    async def counted_for(self, client_id: int, first: int, end: int) -> Sequence[Counted]:
        """Return what one client was answered, in order of minutes."""
        ...

    async def counted_together(
        self, first: int, end: int, left_out: Collection[int]
    ) -> Sequence[Counted]:
        """Return what all but some were answered together, under client 0, in order of minutes."""
        ...

    async def requests(self, first: int, end: int) -> int:
        """Return how many requests were counted, of whomever and however answered."""
        ...

    async def first_minute(self) -> int | None:
        """Return the first minute in which anything was counted or probed; None: there is none."""
        ...

    async def last_closed(self) -> ClosedDay | None:
        """Return the last day that was rolled up."""
        ...

    async def closed(self, day: int) -> ClosedDay | None:
        """Return a day that was rolled up."""
        ...

    async def put_segments(self, segments: Sequence[Segment], lease: Lease) -> None:
        """Lay segments of one day down, a few at once. They count when the day is closed."""
        ...

    async def close_day(
        self, day: ClosedDay, together: Segment | None, known: ClosedDay | None, lease: Lease
    ) -> None:
        """Close a day, or correct one, with its entry in the ledger.

        together: the segment of all; known: the day as it was closed before, None when it was
        not. A day whose segments are others now gets an amendment: counts that came late are not
        lost, and not passed over.
        """
        ...

    async def segments(
        self, first_day: int, end_day: int, client_id: int | None = None
    ) -> Sequence[Segment]:
        """Return segments of closed days that touch a range, by client and time.

        client_id: None for those of all clients, of all together and of the probes.
        """
        ...

    async def stretches(
        self, first_day: int, end_day: int, client_id: int | None = None
    ) -> Sequence[Stretch]:
        """Return what figures need of the same segments, quickly."""
        ...

    async def pack(self, client_id: int, month: Segment, lease: Lease) -> None:
        """Put a month's segment in the place of the client's segments of its days."""
        ...

    async def unpacked(self, before_day: int) -> tuple[int, Sequence[int]] | None:
        """Return the first month with segments of days, and some clients that have any.

        The month is said by its first day, and ends by `before_day`; None: all are packed.
        """
        ...

    async def prune_segments(self, before_day: int, lease: Lease | None = None) -> int:
        """Remove segments that end by a day, not too many; return how many. LeaseLostError."""
        ...

    async def maintenance_touching(self, span: Span) -> Sequence[Maintenance]:
        """Return the maintenance that was announced and touches some seconds by any plan."""
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch, by the store's clock."""
        ...


class IncidentSource(Protocol):
    """Knows what persons confirmed and amended. Raises the store's errors."""

    async def incidents_affecting(self, span: Span) -> Sequence[Incident]:
        """Return, in order, incidents with losses or amendments that touch some seconds."""
        ...
