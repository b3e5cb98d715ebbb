"""Plays a run back from its ledger, to every property at once and in order of time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from loadtest.ledger import merged, moments
from loadtest.proof.consumption import Consumption
from loadtest.proof.counters import Counters
from loadtest.proof.evidence import Evidence
from loadtest.proof.finding import Property, Result
from loadtest.proof.latencies import Latencies
from loadtest.proof.limits import Limits
from loadtest.proof.once import Once
from loadtest.proof.refusals import Refusals
from loadtest.proof.service import Service
from loadtest.proof.snapshot import Snapshot
from loadtest.records import CUT, Behaviour, Record
from validation.gcra import Rate
from validation.status import Status


class Facts(NamedTuple):
    """What is known of a run beside its ledger.

    keys: public ids of its keys; rates: the limits of clients over their limit; snapshots: the
    store, first to last; counted: answers by status that the service counted, None when unknown;
    alone: nobody else asked the service meanwhile; tolerant: silence and BACKEND_ERROR may be.
    """

    keys: Sequence[str]
    rates: Mapping[int, Rate]
    snapshots: Sequence[Snapshot]
    counted: Mapping[str, int] | None
    alone: bool
    tolerant: bool


class Playback(NamedTuple):
    """What the ledger says. latencies: of the requests that were answered."""

    results: Sequence[Result]
    requests: int
    by_behaviour: Mapping[str, int]
    by_status: Mapping[str, int]
    latencies: Latencies
    failures: int
    duration_us: int

    @property
    def violations(self) -> int:
        """Everything that contradicts a property."""
        return sum(result.violations for result in self.results)


_RIGHT: Mapping[Behaviour, frozenset[str]] = {
    Behaviour.VALID: frozenset({Status.OK}),
    Behaviour.SETTLED: frozenset({Status.OK}),
    Behaviour.REPEATED: frozenset({Status.OK, Status.REPLAYED_REQUEST}),
    Behaviour.RACED: frozenset({Status.OK, Status.REPLAYED_OTP}),
    Behaviour.CROWDED: frozenset({Status.OK, Status.OPERATION_NOT_ALLOWED}),
    Behaviour.REPLAYED: frozenset({Status.REPLAYED_OTP, Status.REPLAYED_REQUEST}),
    Behaviour.GARBLED: frozenset({Status.BAD_OTP}),
    Behaviour.FOREIGN: frozenset({Status.BAD_OTP}),
    Behaviour.DISABLED: frozenset({Status.BAD_OTP}),
    Behaviour.REFUSED: frozenset(
        {
            Status.BAD_SIGNATURE,
            Status.MISSING_PARAMETER,
            Status.NO_SUCH_CLIENT,
            Status.OPERATION_NOT_ALLOWED,
        }
    ),
}


def failed(record: Record) -> bool:
    """Tell whether an answer is none of the right ones; what the run cut off does not count."""
    if record.status == CUT:
        return False
    limited = record.throttled and record.behaviour is not Behaviour.CROWDED
    return limited or not record.genuine or record.status not in _RIGHT[record.behaviour]


class _Tally:
    """Counts, for the summary."""

    def __init__(self) -> None:
        self.behaviours: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.latencies = Latencies()
        self.failures = 0
        self.first_us: int | None = None
        self.last_us = 0

    def add(self, record: Record) -> None:
        self.behaviours[record.behaviour] += 1
        self.statuses[record.status] += 1
        self.failures += failed(record)
        if record.code:
            self.latencies.add(record.took_us)
        self.first_us = min(self.first_us or record.sent_us, record.sent_us)
        self.last_us = max(self.last_us, record.answered_us)


def play_back(folder: Path, facts: Facts) -> Playback:
    """Read the ledger in `folder` and judge the run; LedgerError when it cannot be read."""
    tally = _Tally()
    longest_us = 0
    for record in merged(folder):
        tally.add(record)
        longest_us = max(longest_us, record.took_us)
    properties: list[Property] = [
        Once(),
        Counters(facts.snapshots, facts.keys),
        Refusals(),
        Consumption(),
        Evidence(facts.snapshots, facts.counted, alone=facts.alone),
        Limits(facts.rates),
        Service(tolerant=facts.tolerant),
    ]
    for moment in moments(merged(folder), longest_us):
        for each in properties:
            if moment.answered:
                each.answered(moment.record)
            else:
                each.sent(moment.record)
    return Playback(
        [each.result() for each in properties],
        sum(tally.behaviours.values()),
        dict(sorted(tally.behaviours.items())),
        dict(sorted(tally.statuses.items())),
        tally.latencies,
        tally.failures,
        0 if tally.first_us is None else tally.last_us - tally.first_us,
    )


def waiting(folder: Path) -> Mapping[tuple[str, tuple[int, int]], Record]:
    """Return the OTPs of a ledger that were refused and have not validated since."""
    consumption = Consumption()
    longest_us = max((record.took_us for record in merged(folder)), default=0)
    for moment in moments(merged(folder), longest_us):
        (consumption.answered if moment.answered else consumption.sent)(moment.record)
    return consumption.waiting
