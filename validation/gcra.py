"""Rate arithmetic: the generic cell rate algorithm over sessions, in whole microseconds.

A budget is a theoretical arrival time (TAT): how far ahead of now the sessions already
admitted reach. Every division is the floor of a number that is not negative, so that
SQL, which truncates toward zero, computes exactly the same.
"""

from typing import NamedTuple, Self

_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US


class Rate(NamedTuple):
    """How fast sessions are admitted. step_us >= 1: between two; slack_us >= 0: ahead of that."""

    step_us: int
    slack_us: int

    @classmethod
    def per_second(cls, rate: int, burst: int) -> Self:
        """Return `rate` sessions a second, `burst` of them at once (both 1 or more).

        The step is rounded down to a whole microsecond, in the client's favour: 3/s is exact to
        a millionth, 999/s becomes 999.001/s, 1,500/s becomes 1,501.5/s, and a million is the end.
        """
        return cls._every(_SECOND_US, rate, burst)

    @classmethod
    def per_day(cls, sessions: int) -> Self:
        """Return `sessions` (1 or more) a day, all of them at once after a quiet day."""
        return cls._every(_DAY_US, sessions, sessions)

    @classmethod
    def _every(cls, period_us: int, sessions: int, burst: int) -> Self:
        if sessions < 1 or burst < 1:
            raise ValueError("a limit admits at least one session, and at least one at once")
        step_us = max(1, period_us // sessions)
        return cls(step_us, (burst - 1) * step_us)

    @property
    def burst(self) -> int:
        """Sessions admitted at once from a fresh budget."""
        return self.slack_us // self.step_us + 1


UNLIMITED = Rate(step_us=1, slack_us=10**15)
"""No limit in practice: a million a second and 31 years ahead (a step of 0 would divide)."""


class Policy(NamedTuple):
    """A client's two limits; both must admit a session."""

    burst: Rate
    day: Rate


class Budget(NamedTuple):
    """What of a policy is spent: the TAT of each limit, microseconds since the epoch."""

    burst_tat_us: int
    day_tat_us: int


FRESH = Budget(0, 0)


class Grant(NamedTuple):
    """What was admitted.

    granted: 0..wanted sessions; budget: to be stored; remaining: sessions that would still
    be admitted now; retry_us: until one more is (0 = now).
    """

    granted: int
    budget: Budget
    remaining: int
    retry_us: int


def _base(rate: Rate, tat_us: int, now_us: int) -> int:
    """Return where spending starts: the TAT, but not the past, nor a future nobody can reach.

    One step beyond the slack is the most that spending leaves behind. A TAT further ahead
    means the clock jumped forward and back: it counts as now + slack and blocks nobody.
    """
    base_us = max(tat_us, now_us)
    if base_us > now_us + rate.slack_us + rate.step_us:
        return now_us + rate.slack_us
    return base_us


def spend(policy: Policy, budget: Budget, wanted: int, now_us: int) -> Grant:
    """Admit up to `wanted` (0 or more) sessions at `now_us`, as many as both limits allow."""
    burst, day = policy
    burst_base_us = _base(burst, budget.burst_tat_us, now_us)
    day_base_us = _base(day, budget.day_tat_us, now_us)
    # Never negative: a base lies at most slack + step ahead.
    burst_free = (now_us + burst.slack_us - burst_base_us + burst.step_us) // burst.step_us
    day_free = (now_us + day.slack_us - day_base_us + day.step_us) // day.step_us
    granted = min(wanted, burst_free, day_free)
    burst_tat_us = burst_base_us + granted * burst.step_us
    day_tat_us = day_base_us + granted * day.step_us
    return Grant(
        granted,
        Budget(burst_tat_us, day_tat_us) if granted else budget,
        min(burst_free, day_free) - granted,
        max(0, burst_tat_us - burst.slack_us - now_us, day_tat_us - day.slack_us - now_us),
    )
