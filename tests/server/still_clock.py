"""A clock that stands still until a test moves it."""

NOW_US = 1_795_262_400_000_000
"""2026-11-21T12:00:00Z, in microseconds since the epoch."""


class StillClock:
    """Both clocks of `server.clock.Clock`, moved by hand; the host's may be set apart."""

    def __init__(self) -> None:
        self.us = NOW_US
        self.seconds = 1000.0

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.seconds += seconds
        self.us += round(seconds * 1_000_000)

    def set_wall(self, jump_s: float) -> None:
        """Set the host's clock by so much; the monotonic one does not notice."""
        self.us += round(jump_s * 1_000_000)
