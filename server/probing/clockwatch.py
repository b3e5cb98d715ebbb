"""Sees when the host's clock jumps: what happened around it cannot be told the right minute."""

from typing import NamedTuple

TOLERATED_US = 2_000_000
"""Clocks that are set right all the time drift and slew less than that between two looks."""

WHOLE_US = 26 * 3_600 * 1_000_000
"""Up to here, a day and every zone's difference, all minutes between both times are unknown."""

MINUTE_US = 60_000_000
_US = 1_000_000


class Look(NamedTuple):
    """Both clocks at one moment. wall_us: since the epoch; monotonic_s: goes only forward."""

    wall_us: int
    monotonic_s: float


class Unknown(NamedTuple):
    """Microseconds since the epoch, both included, in which nothing is known for sure."""

    start_us: int
    end_us: int

    def touches(self, start_us: int, end_us: int) -> bool:
        """Tell whether some minute is in both."""
        return (
            self.start_us // MINUTE_US <= end_us // MINUTE_US
            and start_us // MINUTE_US <= self.end_us // MINUTE_US
        )


def jump(before: Look, now: Look) -> list[Unknown]:
    """Return what is unknown because the clock jumped between two looks; mostly nothing.

    Small leaps, back or forth: everything from the one time to the other. Large ones, when somebody
    had set another day: the moments at both ends, for the days between are nobody's fault.
    """
    passed_us = round((now.monotonic_s - before.monotonic_s) * _US)
    expected_us = before.wall_us + passed_us
    leap_us = now.wall_us - expected_us
    if abs(leap_us) <= TOLERATED_US:
        return []
    low, high = sorted((before.wall_us, now.wall_us))
    high = max(high, expected_us)
    if abs(leap_us) <= WHOLE_US:
        return [Unknown(low, high)]
    return [Unknown(before.wall_us, expected_us), Unknown(now.wall_us, now.wall_us)]
