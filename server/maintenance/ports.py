"""What the room for maintenance needs of a store."""

from collections.abc import Sequence
from typing import Protocol

from server.journal.acts import Act
from server.maintenance.decisions import Decision
from server.maintenance.plan import Maintenance

MOST_PUBLIC = 200
"""How many are told of at once: the newest."""


class UnknownMaintenanceError(LookupError):
    """There is no maintenance with this number."""

    def __init__(self, maintenance_id: int) -> None:
        super().__init__(f"there is no maintenance {maintenance_id}; list them to see which are")


class MaintenanceSource(Protocol):
    """Tells what is public. Raises the store's errors (server.otp.ports)."""

    async def public_maintenance(self, since_s: int) -> Sequence[Maintenance]:
        """Return what was announced and ends, or ended, after `since_s` by any of its plans.

        Seconds since the epoch. In order of their numbers, at most MOST_PUBLIC of the newest.
        """
        ...


class MaintenanceBook(MaintenanceSource, Protocol):
    """Keeps histories: records are appended, and none is ever changed or removed.

    A change is durable when the call returns, and in the journal. Decisions are made one after the
    other, by the store's time, within the transaction that records them; what they raise passes.
    """

    async def add_maintenance(self, decision: Decision, *, act: Act) -> Maintenance:
        """Begin a history under a number never used before."""
        ...

    async def continue_maintenance(
        self, maintenance_id: int, decision: Decision, *, act: Act
    ) -> Maintenance | None:
        """Append to a history; None when there is none with this number."""
        ...

    async def maintenance(self, maintenance_id: int) -> Maintenance | None:
        """Return one with its history."""
        ...

    async def list_maintenance(self, after: int, limit: int) -> Sequence[Maintenance]:
        """Return up to `limit` with a number beyond `after`, in order."""
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch, by the store's clock."""
        ...
