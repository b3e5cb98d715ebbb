"""What the status needs of the rest: what is public, what was counted, and figures of it."""

from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Protocol

from server.incidents.availability import Availability
from server.incidents.intervals import Span
from server.incidents.ports import IncidentSource
from server.maintenance.ports import MaintenanceSource
from server.status.snapshot import Snapshot
from server.uptime.rollup import Counted, ProbeMinute


class SnapshotSource(Protocol):
    """Tells how things are, from storage. Raises the store's errors (server.otp.ports)."""

    async def status_snapshot(self) -> Snapshot:
        """Return what everybody may know, read a few seconds ago at most."""
        ...


class StatusBook(IncidentSource, MaintenanceSource, Protocol):
    """What is read of a store. Minutes are whole ones since the epoch; `end` is not read."""

    async def counted_together(
        self, first: int, end: int, left_out: Collection[int]
    ) -> Sequence[Counted]:
        """Return what all but some clients were answered together, in order of minutes."""
        ...

    async def probe_minutes(self, first: int, end: int) -> Sequence[ProbeMinute]:
        """Return what probers found."""
        ...

    async def first_minute(self) -> int | None:
        """Return the first minute in which anything was counted or probed; None: there is none."""
        ...


class DayFigures(Protocol):
    """A day as `server.uptime` knows it. day: since the epoch."""

    @property
    def day(self) -> int:
        """Which day."""
        ...

    @property
    def downtime_s(self) -> Fraction:
        """What was lost."""
        ...

    @property
    def unknown_s(self) -> int:
        """Of which nothing is known."""
        ...

    @property
    def maintenance_s(self) -> int:
        """What is left out."""
        ...


class FigureSource(Protocol):
    """Computes figures of everybody together (`server.uptime.desk`)."""

    async def as_of(self) -> int:
        """Return the end of the last minute of which all is known, in seconds."""
        ...

    async def availability(
        self, client_id: int | None, period: Span, as_of: int | None = None
    ) -> Availability:
        """Return the figure of a period; client_id None: of all together."""
        ...

    async def bars(self, days: int) -> Sequence[DayFigures]:
        """Return the last days, today the last of them."""
        ...
