"""Clients known to be over their limit, so that no key is opened for them in vain.

The store decides; this only remembers what it said, for a second at most: a limit that an
operator raises holds everywhere within that second.
"""

from typing import NamedTuple

from server.clock import Clock
from server.otp.bounded_map import BoundedMap

REMEMBERED_S = 1.0


class _Block(NamedTuple):
    until: float
    admitted: float


class Blocked:
    """The newest refusals per (client, bucket), at most `limit` of them."""

    def __init__(self, *, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._blocks: BoundedMap[tuple[int, int], _Block] = BoundedMap(limit)

    def learn(self, client_id: int, bucket: int, retry_us: int) -> None:
        """Remember that the store admits the next session in `retry_us` microseconds."""
        now = self._clock.monotonic()
        wait = retry_us / 1_000_000
        if wait > 0:
            block = _Block(now + min(wait, REMEMBERED_S), now + wait)
            self._blocks.put((client_id, bucket), block)

    def retry_us(self, client_id: int, bucket: int) -> int:
        """Return the microseconds until the next session is admitted, 0 when it is worth asking."""
        block = self._blocks.get((client_id, bucket))
        if block is None:
            return 0
        now = self._clock.monotonic()
        if now >= block.until:
            self._blocks.drop((client_id, bucket))
            return 0
        return max(1, round((block.admitted - now) * 1_000_000))
