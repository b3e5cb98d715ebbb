"""When a report is due. Pure.

At least every interval, so that the server knows that the host is well; and soon after something
changed. A known key that is plugged in again changes nothing: when people work is not reported,
unless the organisation asks whether keys are attached.
"""

from dataclasses import dataclass, replace

SETTLE_S = 2.0
"""After a change, so that a dock full of keys makes one report."""

LEAST_PAUSE_S = 10.0
"""Between reports of changes: a key with a loose contact is no flood."""

FIRST_WITHIN_S = 30.0
"""Of a start: a thousand laptops that are switched on at nine spread over this."""


@dataclass(frozen=True)
class Schedule:
    """By a monotonic clock. regular: when the next is due anyway; changed: since when something
    is to be told; last: when the last was made.
    """  # noqa: D205 - one thought

    regular: float
    changed: float | None = None
    last: float = float("-inf")

    @classmethod
    def after_start(cls, now: float, dice: float) -> "Schedule":
        """dice: 0 to 1."""
        return cls(now + dice * FIRST_WITHIN_S)

    def noted(self, now: float) -> "Schedule":
        """Return it when something changed."""
        return self if self.changed is not None else replace(self, changed=now)

    def due_at(self) -> float:
        """Return when the next report is to be made."""
        if self.changed is None:
            return self.regular
        soon = max(self.changed + SETTLE_S, self.last + LEAST_PAUSE_S)
        return min(self.regular, soon)

    def made(self, now: float, interval_s: float, dice: float) -> "Schedule":
        """Return it when a report was made. dice: 0 to 1, by which intervals differ a tenth."""
        return Schedule(now + interval_s * (0.9 + 0.2 * dice), None, now)

    def failed(self, now: float, pause_s: float) -> "Schedule":
        """Return it when a report could not be stored: what changed is still to be told."""
        changed = None if self.changed is None else max(self.changed, now + pause_s)
        return replace(self, regular=max(self.regular, now + pause_s), changed=changed)
