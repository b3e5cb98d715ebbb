"""What the prober needs of the network, its spool and the server; and the server of a store."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.incidents.intervals import Span
from server.journal.acts import Deed
from server.leases import Lease
from server.probing.absorb import Known
from server.probing.finding import Finding, Outcome
from server.probing.judge import Heard, Silence

MOST_AT_ONCE = 300
"""Findings in one parcel: a small transaction, and a small body."""


class Knocker(Protocol):
    """Asks the service to validate."""

    async def ask(self, otp: str, nonce: str) -> Heard | Silence:
        """Return the answer, or why there is none; within a deadline."""
        ...


class FindingSpool(Protocol):
    """Keeps findings durably until the server has them. Calls are short and do not wait."""

    @property
    def prober(self) -> str:
        """What this spool's findings are numbered for: drawn at random with the spool."""
        ...

    def append(self, outcome: Outcome, at_us: int, until_us: int, why: str = "") -> Finding:
        """Keep a finding under the next number; durable on return. The oldest give way."""
        ...

    def latest_us(self) -> int | None:
        """Return when the newest finding ever ended, None before the first."""
        ...

    def unsent(self, limit: int) -> Sequence[Finding]:
        """Return the oldest that the server has not, in order."""
        ...

    @property
    def newest(self) -> int:
        """Return the number of the newest finding ever, 0 before the first."""
        ...

    def renumber(self, after: int) -> None:
        """Count on from a number: the server has it from the file that this one is a copy of."""
        ...

    def taken(self, number: int) -> None:
        """Forget all up to a number: the server has them."""
        ...


class Receipt(NamedTuple):
    """What the server says to a parcel.

    number: it has all up to this one; windows: maintenance of validation that counts, as it is
    announced now, from now on.
    """

    number: int
    windows: tuple[Span, ...]


class OfficeError(Exception):
    """The server's admin door did not take what was brought; says why."""


class Office(Protocol):
    """The server's admin door."""

    async def hand_in(self, prober: str, findings: Sequence[Finding]) -> Receipt:
        """Bring findings, in order; may be empty. OfficeError: it is not known to have them."""
        ...


class ProberDetails(NamedTuple):
    """A prober. missing: numbers that never came; heard_us: when, by the store's clock."""

    name: str
    known: Known
    missing: int
    heard_us: int


class ProbeBook(Protocol):
    """Keeps what probers found. Raises the store's errors (server.otp.ports)."""

    async def add_findings(self, prober: str, findings: Sequence[Finding]) -> int:
        """Add those that are new, by their numbers; return the last number that is here.

        Durable on return. What follows from them is in the same transaction: the minutes' counts,
        facts (`probe.failing`, `probe.recovered`) and the ledger's entries of what is unknown.
        """
        ...

    async def list_probers(self) -> Sequence[ProberDetails]:
        """Return every prober, in the order of their names."""
        ...

    async def prune_findings(self, before_us: int, lease: Lease | None = None) -> int:
        """Remove old findings, not too many; return how many. Sums of minutes stay."""
        ...


class ProberNames(Protocol):
    """Keeps whose a prober's name is, among a store's named values."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        ...

    async def settle_meta(self, name: str, proposed: str, deed: Deed | None = None) -> str:
        """Return the value that stands: the proposed one, stored now, when there was none."""
        ...
