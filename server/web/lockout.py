"""Lock-out of sources that show wrong tokens.

Nobody guesses a token; what this keeps down is the work and the noise of trying. In memory, per
process: a start forgives everybody, and so does being pushed out by thousands of other sources.
"""

import math

from server.clock import Clock
from server.otp.bounded_map import BoundedMap
from server.otp.sources import source_host

_SOURCES = 10_000


class Lockout:
    """Counts wrong tokens per source, an IPv4 address or the /64 of an IPv6 one.

    attempts: wrong tokens at once; one more is forgiven each `lockout_s / attempts`. Whoever
    goes beyond that is locked out for `lockout_s` seconds, with whatever token.
    """

    def __init__(
        self, *, attempts: int, lockout_s: float, clock: Clock, sources: int = _SOURCES
    ) -> None:
        self._lockout_s = lockout_s
        self._step_s = lockout_s / attempts
        self._slack_s = (attempts - 1) * self._step_s
        self._clock = clock
        self._arrivals: BoundedMap[str, float] = BoundedMap(sources)
        self._ends: BoundedMap[str, float] = BoundedMap(sources)

    def wait_s(self, source: str) -> int:
        """Return for how many more seconds a source is locked out, 0 when it is not."""
        ends = self._ends.get(source_host(source))
        return 0 if ends is None else max(0, math.ceil(ends - self._clock.monotonic()))

    def wrong(self, source: str) -> bool:
        """Count a wrong token; tell whether the source is locked out by it."""
        host = source_host(source)
        now = self._clock.monotonic()
        arrival = max(self._arrivals.get(host) or now, now)
        if arrival - self._slack_s > now:
            self._ends.put(host, now + self._lockout_s)
            return True
        self._arrivals.put(host, arrival + self._step_s)
        return False
