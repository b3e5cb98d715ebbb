"""P2: stored counters never go back, and never stand anywhere but where an OK put them."""

from collections.abc import Collection, Sequence

from loadtest.proof.finding import Findings, Result
from loadtest.proof.snapshot import Snapshot
from loadtest.records import NEVER_OK, UNKNOWN_OUTCOME, Record
from validation.status import Status

Pair = tuple[int, int]
_NEVER: Pair = (-1, -1)


class Counters:
    """Compares the store with the answers.

    snapshots: in order of time. Each must be at least what was answered OK before it was begun,
    at least the one before, and at most what was sent until it ended and was accepted or may have
    been: a higher counter was moved by a request that got no OK.
    """

    def __init__(self, snapshots: Sequence[Snapshot], keys: Collection[str]) -> None:
        self._keys = keys
        self._coming = list(reversed(snapshots))
        self._ending: list[tuple[Snapshot, dict[str, Pair]]] = []
        self._before: dict[str, Pair] = {}
        self._accepted: dict[str, Pair] = {}
        self._possible: dict[str, Pair] = {}
        self._started = False
        self._checked = 0
        self._snapshots = len(snapshots)
        self._findings = Findings()

    def sent(self, record: Record) -> None:
        """Learn what the counters may be from now on."""
        self._come_to(record.sent_us)
        if record.counters is None or record.behaviour in NEVER_OK:
            return
        if record.status == Status.OK or record.status in UNKNOWN_OUTCOME:
            _raise(self._possible, record.key, record.counters)

    def answered(self, record: Record) -> None:
        """Learn what the counters must be from now on."""
        self._come_to(record.answered_us)
        if record.counters is not None and record.status == Status.OK:
            _raise(self._accepted, record.key, record.counters)

    def _come_to(self, at_us: int) -> None:
        """Note what held when snapshots began that begin before this; judge those that ended."""
        while self._coming and self._coming[-1].from_us <= at_us:
            self._ending.append((self._coming.pop(), dict(self._accepted)))
        while self._ending and self._ending[0][0].until_us < at_us:
            self._judge(*self._ending.pop(0))

    def _judge(self, snapshot: Snapshot, accepted: dict[str, Pair]) -> None:
        for key in self._keys:
            standing = snapshot.keys.get(key)
            stored = _NEVER if standing is None else standing.counters or _NEVER
            if not self._started:
                # What earlier runs left behind is where this one begins.
                self._possible.setdefault(key, stored)
                _raise(self._possible, key, stored)
            self._checked += 1
            least = max(accepted.get(key, _NEVER), self._before.get(key, _NEVER))
            most = self._possible.get(key, _NEVER)
            if standing is None:
                self._findings.add(f"key {key} is not in the store")
            elif stored < least:
                self._findings.add(f"key {key} went back to {stored}, was at {least}")
            elif stored > most:
                self._findings.add(f"key {key} stands at {stored}, only {most} was accepted")
            self._before[key] = max(stored, least)
        self._started = True

    def result(self) -> Result:
        """Say what became of it."""
        self._come_to(10**18)
        note = f"{self._snapshots} readings of the store, {len(self._keys)} keys each"
        if not self._snapshots:
            note = "not checked: the store was not read (--keystead)"
        return Result(
            "P2",
            "stored counters never go back and stand where an OK put them",
            self._checked,
            self._findings.count,
            0,
            tuple(self._findings.examples),
            note,
        )


def _raise(counters: dict[str, Pair], key: str, offered: Pair) -> None:
    counters[key] = max(counters.get(key, _NEVER), offered)
