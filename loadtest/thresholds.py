"""What a run has to reach beside being safe; each threshold has an exit code of its own."""

from typing import NamedTuple

from loadtest.exits import Exit


class Limits(NamedTuple):
    """p99_ms: at most, failure_share: 0.0 to 1.0, at most; per_s: at least. None: no threshold."""

    p99_ms: float | None
    failure_share: float | None
    per_s: float | None


class Threshold(NamedTuple):
    """One figure against its limit. code: the exit code when it is not met."""

    name: str
    limit: float
    measured: float
    met: bool
    code: Exit


def hold(limits: Limits, *, p99_ms: float, failure_share: float, per_s: float) -> list[Threshold]:
    """Compare what was measured with the limits that are set."""
    thresholds = []
    if limits.p99_ms is not None:
        met = p99_ms <= limits.p99_ms
        thresholds.append(Threshold("p99_ms", limits.p99_ms, p99_ms, met, Exit.SLOW))
    if limits.failure_share is not None:
        met = failure_share <= limits.failure_share
        thresholds.append(
            Threshold("failure_share", limits.failure_share, failure_share, met, Exit.FAILURES)
        )
    if limits.per_s is not None:
        met = per_s >= limits.per_s
        thresholds.append(Threshold("per_s", limits.per_s, per_s, met, Exit.THROUGHPUT))
    return thresholds
