"""The contractual availability of a period: exact fractions, bounds, verdict, budget.

Per second: in a counting maintenance window it is left out; else in incidents the largest
impact counts, never the sum; else without data it is unknown; else the service was up. Nothing
here rounds. Priority Support Schedule 2.f.ii; the algorithm is told in docs/availability.md.
"""

import enum
from collections.abc import Sequence
from fractions import Fraction
from heapq import heappop, heappush
from typing import NamedTuple

from server.incidents.intervals import Span, length, union, without

TARGET = Fraction(999, 1000)


class Incident(NamedTuple):
    """Seconds in which part of the service was lost.

    end: None while it is open. impact: which part, more than 0 and at most 1.
    """

    start: int
    end: int | None
    impact: Fraction


class Window(NamedTuple):
    """Scheduled maintenance as it was announced. An overrun is no part of it.

    announced_at: None when nobody was told. cancelled_at: None when it was not called off.
    """

    span: Span
    announced_at: int | None
    cancelled_at: int | None

    def counts(self, notice_s: int = 0) -> bool:
        """Whether it was announced in time and stood when it began."""
        if self.announced_at is None or self.announced_at >= self.span.start - notice_s:
            return False
        return self.cancelled_at is None or self.cancelled_at > self.span.start


class Case(NamedTuple):
    """Everything a figure is made of. as_of: what came later is not looked at, in seconds.

    notice_s: how long before its start maintenance must have been announced, and then a little.
    """

    period: Span
    as_of: int
    incidents: Sequence[Incident] = ()
    maintenance: Sequence[Window] = ()
    unknown: Sequence[Span] = ()
    target: Fraction = TARGET
    notice_s: int = 0


class Verdict(enum.Enum):
    """What can be said of the target, whatever the unknown seconds were."""

    MET = "met"
    BREACHED = "breached"
    INDETERMINATE = "indeterminate"
    NO_ELIGIBLE_TIME = "no_eligible_time"


class Availability(NamedTuple):
    """What the seconds of a period come to.

    period_s: up to `as_of`; downtime_s: seconds weighed by impact; budget_full_period_s: what the
    whole period allows, its rest included.
    """

    period_s: int
    maintenance_s: int
    unknown_s: int
    downtime_s: Fraction
    target: Fraction
    budget_full_period_s: Fraction

    @property
    def eligible_s(self) -> int:
        """Seconds the promise is about."""
        return self.period_s - self.maintenance_s

    @property
    def known_s(self) -> int:
        """Those of them that something is known of."""
        return self.eligible_s - self.unknown_s

    @property
    def availability(self) -> Fraction | None:
        """The figure, None when nothing is known."""
        return 1 - self.downtime_s / self.known_s if self.known_s else None

    @property
    def low(self) -> Fraction | None:
        """The figure if every unknown second was lost."""
        return 1 - (self.downtime_s + self.unknown_s) / self.eligible_s if self.eligible_s else None

    @property
    def high(self) -> Fraction | None:
        """The figure if none was."""
        return 1 - self.downtime_s / self.eligible_s if self.eligible_s else None

    @property
    def coverage(self) -> Fraction | None:
        """How much of the eligible time something is known of."""
        return Fraction(self.known_s, self.eligible_s) if self.eligible_s else None

    @property
    def budget_allowed_s(self) -> Fraction:
        """Seconds that may be lost of those that have passed."""
        return (1 - self.target) * self.eligible_s

    @property
    def budget_remaining_s(self) -> Fraction:
        """What is left of them; below zero when more were lost."""
        return self.budget_allowed_s - self.downtime_s

    @property
    def verdict(self) -> Verdict:
        """Met or breached only when no unknown second could change it."""
        low, high = self.low, self.high
        if low is None or high is None:
            return Verdict.NO_ELIGIBLE_TIME
        if low >= self.target:
            return Verdict.MET
        return Verdict.BREACHED if high < self.target else Verdict.INDETERMINATE


def compute(case: Case) -> Availability:
    """Return the availability of a case."""
    counting = [window.span for window in case.maintenance if window.counts(case.notice_s)]
    whole = union(span.clipped(case.period) for span in counting)
    end = min(case.period.end, max(case.as_of, case.period.start))
    seen = Span(case.period.start, end)
    maintenance = union(span.clipped(seen) for span in counting)
    lost = [
        Incident(span.start, span.end, incident.impact)
        for incident in case.incidents
        for span in without(union([_so_far(incident, case.as_of).clipped(seen)]), maintenance)
    ]
    covered = union([*maintenance, *(Span(one.start, one.end or 0) for one in lost)])
    unknown = without(union(span.clipped(seen) for span in case.unknown), covered)
    return Availability(
        period_s=seen.seconds,
        maintenance_s=length(maintenance),
        unknown_s=length(unknown),
        downtime_s=_largest(lost),
        target=case.target,
        budget_full_period_s=(1 - case.target) * (case.period.seconds - length(whole)),
    )


def _so_far(incident: Incident, as_of: int) -> Span:
    """Return an incident's seconds as far as they are known: an open one lasts until now."""
    end = as_of if incident.end is None else incident.end
    return Span(incident.start, max(incident.start, end))


def _largest(incidents: Sequence[Incident]) -> Fraction:
    """Return the sum over all seconds of the largest impact at each.

    A sweep from start to start: `under_way` holds what has begun, the worst first.
    """
    total = Fraction(0)
    under_way: list[tuple[Fraction, int]] = []
    now = 0
    for incident in sorted(incidents, key=lambda one: one.start):
        total += _until(incident.start, now, under_way)
        now = incident.start
        heappush(under_way, (-incident.impact, incident.end or 0))
    last = max((end for _, end in under_way), default=now)
    return total + _until(last, now, under_way)


def _until(then: int, now: int, under_way: list[tuple[Fraction, int]]) -> Fraction:
    """Return what is lost from `now` to `then`, and forget what proves to have ended."""
    lost = Fraction(0)
    while under_way and now < then:
        impact, end = under_way[0]
        if end <= now:
            heappop(under_way)
            continue
        upto = min(end, then)
        lost -= impact * (upto - now)
        now = upto
    return lost
