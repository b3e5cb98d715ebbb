"""What new findings do to what the server knows of a prober: pure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from server.facts import NewFact
from server.incidents.instants import write_instant
from server.ledger.entry import Kind, NewEntry
from server.probing.clockwatch import WHOLE_US
from server.probing.finding import Finding, Outcome
from server.probing.standing import Standing

if TYPE_CHECKING:
    from server.journal.acts import Json, State

EARLY_US = 60_000_000
"""How far a prober's clock may be ahead of the store's. Beyond, a round is of no minute."""

FRESH_US = 300_000_000
"""Older findings tell of what was: they raise no alarm any more."""

FAILING = "probe.failing"
RECOVERED = "probe.recovered"
_US = 1_000_000
_MINUTES = 1_440
_DAY_US = 86_400_000_000


class Known(NamedTuple):
    """What is known of a prober. number: of its last finding; told: the last fact said failing."""

    number: int = 0
    standing: Standing = Standing()
    told: bool = False


class Absorbed(NamedTuple):
    """What comes of a parcel. new: to be stored; missing: numbers that will never come."""

    known: Known
    new: tuple[Finding, ...]
    facts: tuple[NewFact, ...]
    missing: int


def absorb(prober: str, known: Known, findings: Sequence[Finding], now_us: int) -> Absorbed:
    """Take up what is new of a parcel, in the order of numbers; the rest is here already."""
    number, standing, told = known
    new: list[Finding] = []
    missing = 0
    for finding in sorted(findings):
        if finding.number <= number:
            continue
        missing += finding.number - number - 1
        number = finding.number
        one = _in_time(finding, now_us)
        new.append(one)
        standing = standing.after(one.outcome, one.at_us, one.why)
    facts: tuple[NewFact, ...] = ()
    fresh = bool(new) and new[-1].until_us >= now_us - FRESH_US
    if fresh and standing.failing != told:
        told = standing.failing
        facts = (_fact(prober, standing, new[-1]),)
    return Absorbed(Known(number, standing, told), tuple(new), facts, missing)


def _in_time(finding: Finding, now_us: int) -> Finding:
    latest_us = now_us + (WHOLE_US if finding.outcome is Outcome.UNKNOWN else EARLY_US)
    if finding.at_us <= latest_us:
        # Who began with a clock that is months ahead was silent until then, it says: of what has
        # not been yet it takes no more from itself than a leap of the clock does.
        return finding._replace(until_us=min(finding.until_us, max(latest_us, finding.at_us)))
    return finding._replace(outcome=Outcome.EXCLUDED, why="from the future: a clock is wrong")


def _fact(prober: str, standing: Standing, last: Finding) -> NewFact:
    at_us = standing.since_us if standing.failing else last.at_us
    detail: State = {
        "component": "validation",
        "at": write_instant(at_us // _US),
        "at_us": at_us,
        "what": standing.why,
    }
    return NewFact(FAILING if standing.failing else RECOVERED, prober, detail)


def entries(
    prober: str,
    new: Sequence[Finding],
    counted: Mapping[int, tuple[int, int]],
    now_us: int,
) -> list[NewEntry]:
    """Return what the ledger is told of a parcel.

    Times of which nothing is known; and, of days that are over, what their minutes came to: who
    closed such a day's books had not heard of it. counted: (good, bad) by minute.
    """
    told = [
        NewEntry(
            Kind.GAP,
            prober,
            {
                "number": one.number,
                "from": write_instant(one.at_us // _US),
                "to": write_instant(-(-one.until_us // _US)),
                "why": one.why,
            },
        )
        for one in new
        if one.outcome is Outcome.UNKNOWN
    ]
    today = now_us // _DAY_US
    days: dict[int, list[Json]] = {}
    for minute, (good, bad) in sorted(counted.items()):
        day, at = divmod(minute, _MINUTES)
        if day < today:
            days.setdefault(day, []).append([at, good, bad])
    for day, minutes in days.items():
        name = write_instant(day * 86_400)[:10]
        told.append(NewEntry(Kind.PROBES, name, {"prober": prober, "minutes": minutes}))
    return told
