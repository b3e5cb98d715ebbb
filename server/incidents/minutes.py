"""Availability from minutes: what real requests and probes say of each.

A minute with enough requests weighs by the share of them that went wrong; with fewer, a probe
decides; without either it is unknown, never up. Every minute weighs the same, however busy.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

MINUTE_S = 60


class Minute(NamedTuple):
    """What was counted in one minute. Requests over their client's limit are in neither count."""

    good: int
    bad: int
    probe_good: int
    probe_bad: int


class Rule(NamedTuple):
    """How a minute is judged.

    min_requests: with fewer the probe decides, at least 1. bad_ratio: a minute with such a share
    of bad requests is lost whole, and with a smaller one not at all; None: in proportion.
    """

    min_requests: int = 1
    bad_ratio: Fraction | None = None


class MinutesSummary(NamedTuple):
    """What minutes come to. weight: the sum of their impacts."""

    known: int
    unknown: int
    weight: Fraction
    good: int
    bad: int

    @property
    def availability(self) -> Fraction | None:
        """The figure by time, None when nothing is known."""
        return 1 - self.weight / self.known if self.known else None

    @property
    def request_ratio(self) -> Fraction | None:
        """The share of good requests: to be known, not what was promised."""
        requests = self.good + self.bad
        return Fraction(self.good, requests) if requests else None


def impact(minute: Minute, rule: Rule) -> Fraction | None:
    """Return which part of the service a minute lost, None when nothing is known of it."""
    requests = minute.good + minute.bad
    if requests >= rule.min_requests:
        share = Fraction(minute.bad, requests)
        if rule.bad_ratio is None:
            return share
        return Fraction(share >= rule.bad_ratio)
    if minute.probe_good:
        return Fraction(0)
    return Fraction(1) if minute.probe_bad else None


def summarise(minutes: Iterable[Minute], rule: Rule) -> MinutesSummary:
    """Return what all minutes come to."""
    known = unknown = good = bad = 0
    weight = Fraction(0)
    for minute in minutes:
        good += minute.good
        bad += minute.bad
        lost = impact(minute, rule)
        if lost is None:
            unknown += 1
        else:
            known += 1
            weight += lost
    return MinutesSummary(known, unknown, weight, good, bad)
