"""Facts: what happened, written down with it, for jobs that act on it later.

A fact is stored in the transaction of what it tells, so none is lost and none is invented. A
job reads on from its own durable position; moving that in the transaction of the job's own
changes makes every fact take effect exactly once.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.journal.acts import State
from server.leases import Lease


class NewFact(NamedTuple):
    """Something that happens now. kind: "key.first_seen"; subject: whose it is; no secrets."""

    kind: str
    subject: str
    detail: State


class Fact(NamedTuple):
    """Something that happened. position counts from 1 without gaps, in the order of commits."""

    position: int
    time_us: int
    fact: NewFact


class FactBook(Protocol):
    """Reads facts and keeps the positions of their readers. Raises the store's errors."""

    async def subscribe(self, reader: str, *, from_start: bool = False) -> int:
        """Give a reader a position, once; return where it stands.

        A new one begins after the newest fact, or with from_start at the oldest that is kept.
        """
        ...

    async def unsubscribe(self, reader: str) -> None:
        """Forget a reader: what it has not read holds up the pruning no more."""
        ...

    async def unread_facts(self, reader: str, limit: int) -> Sequence[Fact]:
        """Return up to `limit` facts beyond the reader's position, in order. LookupError."""
        ...

    async def advance_reader(self, reader: str, position: int, lease: Lease | None = None) -> None:
        """Note durably that a reader is done up to a position; it never goes back. LookupError.

        lease: what the job holds; LeaseLostError when it holds it no more.
        """
        ...

    async def prune_facts(self, before_us: int, lease: Lease | None = None) -> int:
        """Remove facts older than a time that every reader is done with; return how many.

        Not all at once: call it again until it returns 0. LeaseLostError.
        """
        ...
