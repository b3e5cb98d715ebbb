"""How long the fleet's data are kept, and what follows from it at a moment. Pure.

Nothing goes on the word of a clock alone: one that went years ahead would empty the fleet. A run
that comes long after the one before, or before it, only notes the time; a host is marked silent
first, and erased when it was still silent a week later.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from server.fleet.hosts import Host, HostState

DAY_US = 86_400_000_000
GRACE_DAYS = 7
"""From the day that a host was marked silent to the one on which it may be erased."""

BELIEVED_US = 3 * DAY_US
"""A run that comes later than this after the last one believes no clock before the next one."""

DOUBTED_US = DAY_US // 2
"""Nor does one that comes sooner than this after a run that did not: a clock that went wrong a
minute before midnight, or a run that was begun again at once, would be believed a minute later."""

FORGOTTEN_DAYS = 180
"""How long an erased key's mark is kept: agents tell for 90 days of a key, and keep reports for
some eighty."""


class Kept(NamedTuple):
    """Days. silent_days: after so many without a report a host is silent.

    hosts_days: after so many it is erased; None: never.
    """

    keys_days: int
    changes_days: int
    tokens_days: int
    silent_days: int
    hosts_days: int | None = None


class Limits(NamedTuple):
    """What is older than this goes. Times in microseconds of the epoch; days ISO.

    marked_us: of silent hosts; reported_us: None where no host is erased.
    """

    now_us: int
    seen_day: str
    changed_us: int
    expired_us: int
    silent_us: int
    reported_us: int | None
    marked_us: int
    forgotten_day: str


class Gone(NamedTuple):
    """How many of each went. keys_seen: that hosts saw keys that others still see."""

    keys: int = 0
    keys_seen: int = 0
    changes: int = 0
    tokens: int = 0
    silent: int = 0
    hosts: int = 0

    def plus(self, more: "Gone") -> "Gone":
        """Return the sum."""
        return Gone(*(one + other for one, other in zip(self, more, strict=True)))


class Looked(NamedTuple):
    """What a run leaves for the next one. at_us: when it was; gone: what no journal tells yet.

    doubted: it did not believe the clock.
    """

    at_us: int | None = None
    gone: Gone = Gone()
    doubted: bool = False

    @classmethod
    def decode(cls, text: str | None) -> "Looked":
        """Read what `encode` wrote; None, or what somebody else wrote: nothing is known."""
        try:
            found = json.loads(text or "{}")
            gone = Gone(**found.get("gone", {}))
            return cls(found.get("at_us"), gone, found.get("doubted") is True)
        except (ValueError, TypeError, AttributeError):
            return cls()

    def encode(self) -> str:
        """Return it as the store keeps it."""
        return json.dumps(self._asdict() | {"gone": self.gone._asdict()}, sort_keys=True)

    def believes(self, now_us: int) -> bool:
        """Tell whether the clock can be right, as far as the last run knows."""
        least_us = DOUBTED_US if self.doubted else 0
        return self.at_us is not None and least_us <= now_us - self.at_us <= BELIEVED_US

    def next(self, now_us: int) -> "Looked":
        """Return what a run leaves that begins now."""
        return self._replace(at_us=now_us, doubted=not self.believes(now_us))


def limits(kept: Kept, now_us: int) -> Limits:
    """Return what goes now."""
    return Limits(
        now_us,
        _day(now_us, kept.keys_days),
        now_us - kept.changes_days * DAY_US,
        now_us - kept.tokens_days * DAY_US,
        now_us - kept.silent_days * DAY_US,
        None if kept.hosts_days is None else now_us - kept.hosts_days * DAY_US,
        now_us - GRACE_DAYS * DAY_US,
        _day(now_us, FORGOTTEN_DAYS),
    )


def erasure_us(host: Host, kept: Kept) -> int | None:
    """Return when a host is erased at the earliest, if it stays as it is; None: never."""
    if kept.hosts_days is None or host.state is HostState.ERASED:
        return None
    heard_us = host.heard_us + kept.hosts_days * DAY_US
    if host.state is HostState.REPLACED:
        return heard_us
    if not host.is_silent or host.silent_us is None:
        return None
    return max(heard_us, host.silent_us + GRACE_DAYS * DAY_US)


def summed(gone: Gone) -> Mapping[str, int]:
    """Return what went, for the journal: kinds of which anything did."""
    return {name: count for name, count in gone._asdict().items() if count}


def _day(now_us: int, days: int) -> str:
    """Return the day (UTC) that is so many days ago."""
    today = datetime.fromtimestamp(now_us // 1_000_000, UTC).date()
    return (today - timedelta(days)).isoformat()
