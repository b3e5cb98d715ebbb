"""Time, as the rooms see it: one seam, so that a test can hold it still."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read and one that only goes forward."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC. May jump when the host's clock is set."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some instant; never goes back. For deadlines and durations."""
        ...


class SystemClock:
    """The host's clocks."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return the host's monotonic clock in seconds."""
        return time.monotonic()
