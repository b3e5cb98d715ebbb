"""What the room for notices needs of a store, and of who keeps the board."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, Protocol

from server.accounts.customer_ports import ContactKind
from server.incidents.record import Incident
from server.journal.acts import Act
from server.leases import Lease
from server.notices.audience import FOR_INCIDENTS, Customer
from server.notices.board import Board
from server.notices.delivery import Delivery, Notice, Standing
from server.notices.report_telling import ReportText
from server.notices.words import Written

MOST_WAITING = 1_000
"""Deliveries that are read at once."""


class UnknownDeliveryError(LookupError):
    """There is no delivery with this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no delivery {number}; list them to see which are")


class Numbered(NamedTuple):
    """A delivery under its number, by which they are listed."""

    number: int
    delivery: Delivery


class Which(NamedTuple):
    """Which deliveries are meant. about: "incident 12", None for whatever; standing: as it is."""

    about: tuple[str, str] | None = None
    standing: Standing | None = None


class Progress(NamedTuple):
    """How far a reader of facts is, to be stored with what it made of them."""

    reader: str
    position: int


class DeliveryBook(Protocol):
    """Keeps deliveries. Changes are durable when a call returns. Raises the store's errors."""

    async def plan_notices(
        self,
        notices: Sequence[Notice],
        progress: Progress | None = None,
        lease: Lease | None = None,
    ) -> int:
        """Begin deliveries, those that are there already left alone; return how many are new.

        progress: moves a reader of facts in the same transaction. LookupError, LeaseLostError.
        """
        ...

    async def plan_asked(self, notices: Sequence[Notice], *, act: Act) -> Sequence[Numbered]:
        """Begin deliveries that a person asks for; in the journal."""
        ...

    async def waiting_deliveries(self, limit: int) -> Sequence[Delivery]:
        """Return up to `limit` that are due by the store's time.

        Calls come first; of what is as urgent, that which was tried least often, then the oldest.
        """
        ...

    async def note_attempts(self, deliveries: Sequence[Delivery], lease: Lease | None) -> None:
        """Store deliveries as they are after an attempt; what has ended goes into the ledger.

        One that is not as it was before that attempt is left alone. LeaseLostError.
        """
        ...

    async def list_deliveries(self, after: int, limit: int, which: Which) -> Sequence[Numbered]:
        """Return up to `limit` with a number beyond `after`, in order."""
        ...

    async def delivery(self, number: int) -> Numbered | None:
        """Return one."""
        ...

    async def told_customers(
        self, kinds: Sequence[ContactKind] = FOR_INCIDENTS
    ) -> Sequence[Customer]:
        """Return the customers that have the validation add-on today, in order of their ids.

        kinds: which contacts, those of the first kind that anybody is of.
        """
        ...

    async def prune_deliveries(self, before_us: int, lease: Lease | None = None) -> int:
        """Remove deliveries that ended before then, some at a time; return how many."""
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch, by the store's clock."""
        ...


class IncidentSource(Protocol):
    """Tells of incidents (`server.incidents.ports`)."""

    async def incident(self, incident_id: int) -> Incident | None:
        """Return one with its history."""
        ...

    async def list_incidents(
        self, after: int, limit: int, *, unsettled: bool = False
    ) -> Sequence[Incident]:
        """Return up to `limit` with a number beyond `after`, in order, or of what is unsettled."""
        ...


class ReportSource(Protocol):
    """Tells of incident analysis reports (`server.reports.published`)."""

    async def published(self, incident_id: int, revision: int) -> ReportText | None:
        """Return what writes a revision that was published, None when there is none."""
        ...


class CustomerReports(Protocol):
    """Writes customers' reports (`server.reports.customer_desk`). Store errors pass through."""

    async def closed_s(self) -> int:
        """Return the end of the last day that reports know of, in seconds since the epoch."""
        ...

    async def begun(self, customer_id: int) -> date | None:
        """Return since when the customer's plan runs."""
        ...

    async def write(self, customer_id: int, first: str | None, last: str | None) -> Written:
        """Return the report on some months; None: as for `CustomerReportDesk.report`.

        InputError, UnknownCustomerError, ReportStateError.
        """
        ...


class BoardSource(Protocol):
    """Keeps the notice board up to date."""

    def board(self) -> Board:
        """Return what is on the board now, or was last when its file cannot be read."""
        ...
