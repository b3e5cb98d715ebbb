"""How many users there are at each moment of a run: pure figures."""

from enum import StrEnum
from typing import NamedTuple

_STEPS = 5
_SPIKE_FROM, _SPIKE_UNTIL = 0.4, 0.6
_BASE_SHARE = 0.2
_RAMP_SHARE = 0.1
_LONGEST_RAMP_S = 60.0


class Shape(StrEnum):
    """The shapes that can be asked for."""

    STEADY = "steady"
    """All users at once, until the end."""
    STEP = "step"
    """A fifth more of them in each fifth of the time: where does latency turn up?"""
    SPIKE = "spike"
    """A fifth of them, in the middle fifth of the time all at once: does it recover?"""
    SOAK = "soak"
    """All of them after a slow start, for as long as you like: does anything grow?"""


class Load(NamedTuple):
    """users: at most; duration_s: from the first user to the last."""

    shape: Shape
    users: int
    duration_s: float

    def at(self, elapsed_s: float) -> tuple[int, float] | None:
        """Return how many users there are and how many come a second; None after the end."""
        if elapsed_s >= self.duration_s:
            return None
        share = elapsed_s / self.duration_s
        at_once = float(self.users)
        if self.shape is Shape.STEADY:
            return self.users, at_once
        if self.shape is Shape.STEP:
            step = int(share * _STEPS) + 1
            return max(1, self.users * step // _STEPS), at_once
        base = max(1, round(self.users * _BASE_SHARE))
        if self.shape is Shape.SPIKE:
            spiking = _SPIKE_FROM <= share < _SPIKE_UNTIL
            return self.users if spiking else base, at_once
        ramp_s = min(self.duration_s * _RAMP_SHARE, _LONGEST_RAMP_S)
        if elapsed_s >= ramp_s:
            return self.users, at_once
        return max(1, round(self.users * elapsed_s / ramp_s)), at_once
