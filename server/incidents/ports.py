"""What the room for incidents needs of a store."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from server.incidents.decisions import Decision
from server.incidents.intervals import Span
from server.incidents.record import Incident
from server.incidents.reminders import Reminder
from server.incidents.schedule import DueNote, Schedule
from server.journal.acts import Act
from server.leases import Lease

MOST_PUBLIC = 200
"""How many are told of at once: the newest."""


class UnknownIncidentError(LookupError):
    """There is no incident with this number."""

    def __init__(self, incident_id: int) -> None:
        super().__init__(f"there is no incident {incident_id}; list them to see which are")


class Ways(NamedTuple):
    """How a change is made. schedule: by which new due instants are computed; act: whose it is.

    lease: what a job holds; LeaseLostError when it holds it no more.
    """

    schedule: Schedule
    act: Act
    lease: Lease | None = None


class IncidentSource(Protocol):
    """Tells of incidents. Raises the store's errors (server.otp.ports)."""

    async def public_incidents(self, since_us: int) -> Sequence[Incident]:
        """Return what everybody may know that is unsettled, or was changed at `since_us` or later.

        In order of their numbers, at most MOST_PUBLIC of the newest.
        """
        ...

    async def incidents_affecting(self, span: Span) -> Sequence[Incident]:
        """Return, in order, those with losses or amendments that touch a span of seconds."""
        ...


class IncidentBook(IncidentSource, Protocol):
    """Keeps histories: records are appended, and none is ever changed or removed.

    A change is durable when the call returns, with its facts, in the ledger and in the journal, and
    with the due instants that follow from it. Decisions are made one after the other, by the
    store's time, within the transaction that records them; what they raise passes.
    """

    async def add_incident(self, decision: Decision, ways: Ways) -> Incident | None:
        """Begin a history under a number never used before; None when the decision was not to."""
        ...

    async def take_incident_over(self, reference: str, decision: Decision, ways: Ways) -> Incident:
        """Begin a history under a reference of somebody else's, or append to the one it has."""
        ...

    async def continue_incident(
        self, incident_id: int, decision: Decision, ways: Ways
    ) -> Incident | None:
        """Append to a history; None when there is none with this number."""
        ...

    async def incident(self, incident_id: int) -> Incident | None:
        """Return one with its history."""
        ...

    async def list_incidents(
        self, after: int, limit: int, *, unsettled: bool = False
    ) -> Sequence[Incident]:
        """Return up to `limit` with a number beyond `after`, in order, or of what is unsettled."""
        ...

    async def resolved_incidents(self, since_us: int) -> Sequence[Incident]:
        """Return, in order, those that are resolved and were changed at `since_us` or later."""
        ...

    async def due_notes(self, incident_ids: Collection[int]) -> Mapping[int, Sequence[DueNote]]:
        """Return the due instants that were noted of incidents; nothing of those without any."""
        ...

    async def remind(self, reminders: Sequence[Reminder], lease: Lease | None = None) -> int:
        """Write a fact for each reminder that was not told before; return of how many.

        LeaseLostError.
        """
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch, by the store's clock."""
        ...
