"""What retention needs of a store."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.fleet.hosts import Host
from server.fleet.retention import Limits, Looked
from server.journal.acts import Act
from server.leases import Lease


class Due(NamedTuple):
    """How much goes under some limits, and the oldest of what stays. None: there is none.

    seen_day: on which a key was seen last; changed_us: of a change; expired_us: of a token;
    heard_us: of a host that is not silent.
    """

    keys: int
    changes: int
    tokens: int
    silent: int
    hosts: int
    seen_day: str | None
    changed_us: int | None
    expired_us: int | None
    heard_us: int | None


class Census(NamedTuple):
    """How the fleet is. hosts: that are active; clashed: of which somebody used a number twice."""

    hosts: int
    silent: int
    clashed: int
    keys: int
    disputed: int


class RetentionBook(Protocol):
    """Forgets what is too old. Raises the store's errors, and LeaseLostError when one is lost.

    Each call is one short transaction: whoever writes keeps verifications waiting. What it removed
    is counted in it, until `tell_retention` writes the sum into the journal.
    """

    async def begin_retention(self, lease: Lease) -> tuple[Looked, int]:
        """Return what the last run left, and the store's time, which is noted for the next one."""
        ...

    async def forget_sightings(self, limits: Limits, after: str, lease: Lease) -> str | None:
        """Forget keys that nobody saw lately, of some beyond `after`; return where to go on.

        Likewise single sightings on which nothing rests, and what an erased host left. None: that
        was the last.
        """
        ...

    async def forget_changes(self, limits: Limits, lease: Lease) -> int:
        """Remove old changes; return how many. Call it again until it returns 0."""
        ...

    async def forget_tokens(self, limits: Limits, lease: Lease) -> int:
        """Remove tokens that ended long ago, and old marks of erased keys; return how many."""
        ...

    async def mark_silent(self, limits: Limits, lease: Lease) -> int:
        """Mark hosts that did not report for long, and tell a fact of each; return how many."""
        ...

    async def hosts_to_erase(self, limits: Limits, limit: int) -> Sequence[str]:
        """Return hosts that are to be erased."""
        ...

    async def erase_silent_host(
        self, host_id: str, limits: Limits, lease: Lease, *, act: Act
    ) -> bool:
        """Erase a host as `FleetBook.erase_host` does, and count it; False: it was heard again."""
        ...

    async def tell_retention(self, lease: Lease, *, act: Act) -> None:
        """Write into the journal what went, if anything did, and count anew."""
        ...


class ForgettingBook(Protocol):
    """Tells what is too old, and forgets one key. Raises the store's errors."""

    async def store_time_us(self) -> int:
        """Return the store's time, microseconds since the epoch."""
        ...

    async def fleet_due(self, limits: Limits) -> Due:
        """Return what goes under these limits, and what is next. Reads the whole fleet."""
        ...

    async def last_retention(self) -> Looked:
        """Return what the last run left."""
        ...

    async def silent_hosts(self, limit: int) -> Sequence[Host]:
        """Return some hosts that are silent or were replaced, those first that were heard first."""
        ...

    async def erase_fleet_key(self, key_id: str, *, act: Act) -> bool:
        """Forget a key with everything about it; False when there is none.

        What hosts saw of it until today is not heard any more. The journal does not name it.
        """
        ...


class CensusBook(Protocol):
    """Counts. Raises the store's errors."""

    async def fleet_census(self) -> Census:
        """Count hosts and keys. Reads all hosts."""
        ...
