"""The rate of each source address, spent before a request is even parsed.

Kept in memory per process on purpose: it protects the process, not a customer's budget.
"""

import ipaddress

from server.clock import Clock
from server.otp.bounded_map import BoundedMap
from server.otp.verdict import LimitAdvice, advise
from validation.gcra import Rate


def source_host(address: str) -> str:
    """Return what counts as one source: an IPv4 address, or the /64 of an IPv6 address.

    An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is that IPv4 address. A text that is no
    address (a Unix socket's peer) is a source of its own.
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> 64:016x}/64"


class SourceLimiter:
    """GCRA for up to `limit` sources; the idlest are forgotten, that is: forgiven.

    rate: requests per source; the arithmetic is that of `validation.gcra`, without a day.
    """

    def __init__(self, rate: Rate, *, clock: Clock, limit: int) -> None:
        self._rate = rate
        self._clock = clock
        self._arrivals: BoundedMap[str, int] = BoundedMap(limit)
        self._hosts: BoundedMap[str, str] = BoundedMap(limit)

    def spend(self, address: str) -> LimitAdvice | None:
        """Charge one request to a source; an advice when it has no more to spend."""
        rate = self._rate
        now_us = int(self._clock.monotonic() * 1_000_000)
        host = address if ":" not in address else self._host(address)
        arrival = max(self._arrivals.get(host) or 0, now_us)
        wait_us = arrival - rate.slack_us - now_us
        if wait_us > 0:
            return advise("source", rate, remaining=0, retry_us=wait_us)
        self._arrivals.put(host, arrival + rate.step_us)
        return None

    def _host(self, address: str) -> str:
        host = self._hosts.get(address)
        if host is None:
            host = source_host(address)
            self._hosts.put(address, host)
        return host
