"""How long answers took, in bounded memory however many there are."""

from collections import Counter

_STEP_US = 10


class Latencies:
    """Counts answers by the time they took, to ten microseconds."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.count = 0

    def add(self, took_us: int) -> None:
        """Count one answer."""
        self._counts[took_us // _STEP_US] += 1
        self.count += 1

    def quantile_us(self, share: float) -> int:
        """Return the time that `share` (0.0 to 1.0) of the answers did not exceed; 0 for none."""
        wanted = share * self.count
        seen = 0
        longest = -1
        for step in sorted(self._counts):
            longest = step
            seen += self._counts[step]
            if seen >= wanted:
                break
        return (longest + 1) * _STEP_US
