"""The person at the key: whether the metal is touched when a policy asks for it."""

import time
from collections.abc import Callable

_CACHED_S = 15.0  # how long a touch counts for a policy that caches it


class Finger:
    """Touches, or not. clock: seconds that only grow.

    A key waits some fifteen seconds for a touch; this one is told at once that none comes.
    asked: how often a touch was wanted.
    """

    def __init__(
        self, *, touches: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.touches = touches
        self.asked = 0
        self._clock = clock
        self._last: float | None = None

    def touch(self) -> bool:
        """Ask for a touch; returns whether one came."""
        self.asked += 1
        if self.touches:
            self._last = self._clock()
        return self.touches

    def touch_cached(self) -> bool:
        """Ask for one, unless the last is fresh."""
        if self._last is not None and self._clock() - self._last < _CACHED_S:
            return True
        return self.touch()

    def forget(self) -> None:
        """Forget the last touch: the key lost its power."""
        self._last = None
