"""A job: what is done once in every period, by whichever process comes first."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from server.leases import Lease

_SECOND_US = 1_000_000


class Job(NamedTuple):
    """Something to be done once in every period.

    period_s: whole seconds; periods are counted from the epoch, so those of a day begin at
    midnight UTC. run: does it under a lease, which every write must prove (`require_lease`);
    when it raises, it is tried again soon. It may be cancelled at any await.
    """

    name: str
    period_s: int
    run: Callable[[Lease], Awaitable[None]]

    def next_us(self, now_us: int) -> int:
        """Return when the period after this moment begins (microseconds since the epoch)."""
        period_us = self.period_s * _SECOND_US
        return (now_us // period_us + 1) * period_us
