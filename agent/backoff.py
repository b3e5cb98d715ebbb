"""When to try again: exponential, with full jitter, up to an hour. Pure but for its dice."""

import random

_BASE_S = 2.0
LONGEST_S = 3600.0
_DOUBLINGS = 20


class Backoff:
    """Counts failures in a row. dice: gives the part of the delay that is waited."""

    def __init__(self, dice: random.Random, longest_s: float = LONGEST_S) -> None:
        self._dice = dice
        self._longest_s = longest_s
        self._failures = 0

    def failed(self) -> float:
        """Return the seconds to wait: 0 to 2, 0 to 4, ... so that a thousand hosts spread."""
        self._failures = min(self._failures + 1, _DOUBLINGS)
        most = min(self._longest_s, _BASE_S * 2.0 ** (self._failures - 1))
        return self._dice.uniform(0.0, most)

    def worked(self) -> None:
        """Begin anew."""
        self._failures = 0
