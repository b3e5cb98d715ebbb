"""Leases: the right to do something alone for a while, among many processes and machines.

A lease ends by itself, so a holder that died keeps nobody waiting for long. A holder that
only slept (a stopped machine, a long pause) may still believe in it: therefore every lease
has a fencing token, and what a job writes is written in a transaction that proves the token.
"""

from typing import NamedTuple, Protocol


class Lease(NamedTuple):
    """A lease that was granted. Times: the store's, microseconds since the epoch.

    token: counts up with every grant of this name; granted_us: the time of the grant or of the
    last renewal.
    """

    name: str
    holder: str
    token: int
    granted_us: int
    expires_us: int


class LeaseLostError(Exception):
    """The lease has ended, or somebody else holds it by now: nothing may be written under it."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(
            f"the lease {lease.name!r} is no longer held by {lease.holder} (token {lease.token})"
        )
        self.lease = lease


class LeaseBook(Protocol):
    """Grants leases, by the store's clock. Raises the store's errors (server.otp.ports)."""

    async def acquire_lease(self, name: str, holder: str, duration_us: int) -> Lease | None:
        """Return the lease when nobody holds it, None otherwise. Not re-entrant."""
        ...

    async def renew_lease(self, lease: Lease, duration_us: int) -> Lease:
        """Return the lease, prolonged: it ends `duration_us` from now. LeaseLostError."""
        ...

    async def rest_lease(self, lease: Lease, until_us: int = 0) -> None:
        """Give the lease back. until_us: nobody gets it before then. LeaseLostError.

        So a job that is done for today stays done, whatever machine asks next.
        """
        ...
