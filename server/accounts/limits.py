"""Limits as people set and read them, between the operator's figures and a Policy: pure."""

from collections.abc import Sequence
from typing import NamedTuple

from server.accounts.ports import BucketUsage, LimitOverride
from server.accounts.text import InputError, checked_reason
from validation.gcra import UNLIMITED, Budget, Policy, Rate, spend

MAX_RATE = 1_000_000
MAX_BURST = 1_000_000
MAX_PER_DAY = 1_000_000_000
_SECOND_US = 1_000_000


class LimitFigures(NamedTuple):
    """A policy in people's units: sessions per second, at once, and per day (None: no limit).

    Read back from a policy they are what is in force: the arithmetic counts whole
    microseconds between two sessions, so one that does not divide a million is a little rounded up.
    """

    rate: int
    burst: int
    per_day: int | None

    @classmethod
    def of(cls, policy: Policy) -> "LimitFigures":
        """Return the figures of a policy."""
        burst, day = policy
        return cls(
            rate=round(_SECOND_US / burst.step_us),
            burst=burst.burst,
            per_day=None if day == UNLIMITED else day.burst,
        )

    def policy(self) -> Policy:
        """Return the policy, or raise InputError naming the figure at fault."""
        _within("the rate (sessions per second)", self.rate, MAX_RATE)
        _within("the burst (sessions at once)", self.burst, MAX_BURST)
        if self.per_day is None:
            return Policy(Rate.per_second(self.rate, self.burst), UNLIMITED)
        _within("the daily limit", self.per_day, MAX_PER_DAY)
        return Policy(Rate.per_second(self.rate, self.burst), Rate.per_day(self.per_day))


def _within(what: str, value: int, largest: int) -> None:
    if not 1 <= value <= largest:
        raise InputError(f"{what} must be a whole number from 1 to {largest:,}, not {value}")


def checked_limit(
    figures: LimitFigures, *, shadow: bool, reason: str, expires_us: int | None, now_us: int
) -> LimitOverride:
    """Return a client's own limit, or raise InputError. Times: microseconds since the epoch."""
    if expires_us is not None and expires_us <= now_us:
        raise InputError("the limit would end in the past; give a later time or none")
    return LimitOverride(figures.policy(), shadow, checked_reason(reason), expires_us)


def policy_in_force(limit: LimitOverride | None, default: Policy, now_us: int) -> Policy:
    """Return the policy a client is held to now: its own until it expires, else the default."""
    if limit is None or (limit.expires_us is not None and now_us >= limit.expires_us):
        return default
    return limit.policy


class Usage(NamedTuple):
    """How much of a bucket's budget is spent now: shares from 0.0 to 1.0.

    bucket: 0 for signed requests, the others for unsigned ones by network. day: None without
    a daily limit.
    """

    bucket: int
    burst: float
    day: float | None


def usage(buckets: Sequence[BucketUsage], policy: Policy, now_us: int) -> tuple[Usage, ...]:
    """Return the usage of each bucket that has been spent from, by the limiter's arithmetic."""
    return tuple(
        Usage(
            bucket.bucket,
            _used(policy.burst, bucket.burst_tat_us, now_us),
            None if policy.day == UNLIMITED else _used(policy.day, bucket.day_tat_us, now_us),
        )
        for bucket in buckets
    )


def _used(rate: Rate, tat_us: int, now_us: int) -> float:
    grant = spend(Policy(rate, UNLIMITED), Budget(tat_us, 0), 0, now_us)
    return 1 - min(grant.remaining, rate.burst) / rate.burst
