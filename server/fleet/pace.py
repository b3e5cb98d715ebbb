"""How many reports of one host are taken in a while: a laptop gone wrong is no flood."""

from collections.abc import Callable
from typing import NamedTuple

from server.otp.bounded_map import BoundedMap

BURST = 300
"""An agent that was offline for long has 2,000 reports to send; it waits between."""

PER_SECOND = 1.0
_HOSTS = 100_000


class TooFastError(Exception):
    """The host sends more than anyone has to say."""

    def __init__(self) -> None:
        super().__init__("this host asked for much in a short time: send this again later")


class _Left(NamedTuple):
    reports: float
    at: float


class Pace:
    """A bucket for each host. monotonic: seconds."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        burst: int = BURST,
        per_second: float = PER_SECOND,
    ) -> None:
        self._monotonic = monotonic
        self._burst = burst
        self._per_second = per_second
        self._left: BoundedMap[str, _Left] = BoundedMap(_HOSTS)

    def allows(self, host_id: str) -> bool:
        """Tell whether a report of this host may be taken now, and count it if so."""
        now = self._monotonic()
        left = self._left.get(host_id) or _Left(self._burst, now)
        reports = min(self._burst, left.reports + (now - left.at) * self._per_second)
        allowed = reports >= 1
        self._left.put(host_id, _Left(reports - allowed, now))
        return allowed

    def charge(self, host_id: str, reports: float) -> None:
        """Count one that was allowed as more than one: the host waits the longer before the next.

        For one that costs more than others do.
        """
        left = self._left.get(host_id) or _Left(self._burst, self._monotonic())
        self._left.put(host_id, left._replace(reports=left.reports - reports))
