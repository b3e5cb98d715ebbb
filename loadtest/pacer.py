"""Keeps all users of a Client ID together below its limit, in each of several processes.

A valid OTP of a client below its limit must get OK, so the load test has to know that it *is*
below. Sessions leave by the limiter's own arithmetic, slower than the limit: what is sent over a
time, plus what a stalled service may answer at one moment afterwards, still fits in the burst.
"""

from validation.gcra import FRESH, UNLIMITED, Budget, Policy, Rate, spend

_SHARE = 0.8
_LEAVES = 4
"""A quarter of the burst leaves at once; the rest is for what piles up on the way."""
_PILES_UP_S = 5
"""The longest a service takes to decide (its deadline)."""
_SECOND_US = 1_000_000


class TooSmallError(ValueError):
    """The client's limit cannot be kept by so many processes."""


def paced(rate: int, burst: int, processes: int) -> Rate:
    """Return at which rate each of `processes` may send: together below (rate, burst)."""
    at_once = burst // (_LEAVES * processes)
    if at_once < 1:
        raise TooSmallError(
            f"a burst of {burst} cannot be shared by {processes} processes: at least"
            f" {_LEAVES * processes} is needed to stay below the limit with certainty"
        )
    per_s = min(_SHARE * rate, (burst - burst / _LEAVES) / _PILES_UP_S) / processes
    step_us = round(_SECOND_US / per_s)
    return Rate(step_us, (at_once - 1) * step_us)


class Pacer:
    """One budget of one client in one process."""

    def __init__(self, rate: Rate) -> None:
        self._policy = Policy(rate, UNLIMITED)
        self._budget: Budget = FRESH

    def wait_us(self, now_us: int) -> int:
        """Return 0 when a session may leave now, and count it; else how long to wait."""
        grant = spend(self._policy, self._budget, 1, now_us)
        if not grant.granted:
            return max(1, grant.retry_us)
        self._budget = grant.budget
        return 0
