"""What findings make of minutes: pure.

In a minute that its clock makes unknown nothing of a prober counts, neither good nor bad.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from server.probing.clockwatch import MINUTE_US
from server.probing.finding import Finding, Outcome


class Taint(NamedTuple):
    """Minutes, both included, in which nothing that a prober found holds."""

    prober: str
    first: int
    last: int


class Count(NamedTuple):
    """How many good and bad rounds one prober had in one minute (since the epoch)."""

    prober: str
    minute: int
    good: int
    bad: int


class Probes(NamedTuple):
    """A minute's rounds of all probers together."""

    good: int = 0
    bad: int = 0


def minute_of(finding: Finding) -> int:
    """Return the minute that a round belongs to: in which it began."""
    return finding.at_us // MINUTE_US


def taint_of(prober: str, finding: Finding) -> Taint | None:
    """Return the minutes that a finding makes unknown, None for a round."""
    if finding.outcome is not Outcome.UNKNOWN:
        return None
    return Taint(prober, finding.at_us // MINUTE_US, finding.until_us // MINUTE_US)


def add_up(
    minutes: Iterable[int], counts: Iterable[Count], taints: Iterable[Taint]
) -> Mapping[int, Probes]:
    """Return what each minute comes to, also those that come to nothing."""
    found = dict.fromkeys(minutes, Probes())
    unknown = list(taints)
    for prober, minute, good, bad in counts:
        if minute in found and not any(
            taint.prober == prober and taint.first <= minute <= taint.last for taint in unknown
        ):
            before = found[minute]
            found[minute] = Probes(before.good + good, before.bad + bad)
    return found
