"""Whether the service counts as failing, from round to round: pure, the same on both sides."""

from typing import NamedTuple

from server.probing.finding import Outcome

FAILING_AFTER = 2
"""One bad round may be a lost packet; two are half a minute apart."""

RECOVERED_AFTER = 2


class Standing(NamedTuple):
    """How it stands. bad, good: rounds in a row; since_us: when the first bad one of them began."""

    failing: bool = False
    bad: int = 0
    good: int = 0
    since_us: int = 0
    why: str = ""

    def after(self, outcome: Outcome, at_us: int, why: str = "") -> "Standing":
        """Return how it stands after a round. What says nothing changes nothing."""
        if outcome is Outcome.BAD:
            since_us = self.since_us if self.failing or self.bad else at_us
            bad = self.bad + 1
            failing = self.failing or bad >= FAILING_AFTER
            return Standing(failing, bad, 0, since_us, why)
        if outcome is Outcome.GOOD:
            good = self.good + 1
            if not self.failing or good >= RECOVERED_AFTER:
                return Standing(good=good)
            return self._replace(bad=0, good=good)
        return self
