"""What the room for usage needs of a store, and the values that go there and back.

Minutes are whole minutes since the epoch, by the store's clock.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from server.leases import Lease

NOBODY = 0
"""In the place of a Client ID: requests of no client that is known."""

OVERFLOW = -1
"""In the place of a Client ID: requests of clients beyond what a process counts apart."""

MAX_PARCEL_ROWS = 500
"""A parcel is one small transaction: nobody waits long for the write turn behind it."""


class MinuteRow(NamedTuple):
    """What was answered to one client in one minute. counts: in the order of `kinds.KINDS`."""

    minute: int
    client_id: int
    counts: tuple[int, ...]


class Parcel(NamedTuple):
    """Counts on their way to the store.

    sender: drawn once by each process that counts; number: counts its parcels from 1. A parcel
    that was sent again, because its fate was unknown, is recognised by these two.
    rows: at most MAX_PARCEL_ROWS, in order, each minute and client once.
    """

    sender: str
    number: int
    rows: tuple[MinuteRow, ...]


class Slot(NamedTuple):
    """What was answered in `step` minutes from `start` on. counts: as of MinuteRow."""

    start: int
    counts: tuple[int, ...]


class UsageSink(Protocol):
    """Takes parcels. Raises the store's errors (server.otp.ports)."""

    async def add_usage(self, parcel: Parcel) -> int:
        """Add a parcel's counts unless they were added already; return the store's time.

        In microseconds since the epoch. Durable on return. After any failure the same parcel may
        be sent again, however the first attempt ended. One without rows only asks for the time.
        """
        ...


class UsageBook(UsageSink, Protocol):
    """Keeps what was counted. Raises the store's errors (server.otp.ports)."""

    async def client_usage(self, client_id: int, first: int, end: int, step: int) -> Sequence[Slot]:
        """Return a client's minutes from `first` up to, not including, `end`.

        Added up in slots of `step` minutes that begin at whole multiples of it; those in which
        nothing was answered are left out. It takes time by the length of the range, however many
        other clients there are.
        """
        ...

    async def total_usage(
        self, first: int, end: int, step: int, left_out: Collection[int]
    ) -> Sequence[Slot]:
        """Return the same of all clients together, without those that are left out."""
        ...

    async def prune_usage(self, before: int, lease: Lease | None = None) -> int:
        """Remove rows of minutes before `before`, not too many; return how many. LeaseLostError.

        When none is left, senders that have not been heard of since then are forgotten too.
        """
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch, by the store's clock."""
        ...
