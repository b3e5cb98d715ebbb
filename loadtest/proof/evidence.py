"""P5: at least one record per OK, as far as the service keeps any.

Today these are its count of answers by status, and per key the time and the client of the last
accepted OTP. Both are held against the ledger; neither is a list of every single OK, so this is
the weakest of the proofs and says so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from loadtest.proof.finding import Findings, Result, named
from loadtest.proof.snapshot import Snapshot, Standing
from loadtest.records import CUT, NO_ANSWER, UNREADABLE, Record
from validation.status import Status

Otp = tuple[str, tuple[int, int]]

_SECOND_US = 1_000_000
_NOT_HEARD = frozenset({CUT, NO_ANSWER, UNREADABLE})


class Evidence:
    """Counts what was heard. snapshots: readings of the store, in order.

    counted: the answers by status that the service counted during the run, or None; alone: nobody
    else asked it meanwhile, so that nothing may be counted that was not heard.
    """

    def __init__(
        self, snapshots: Sequence[Snapshot], counted: Mapping[str, int] | None, *, alone: bool
    ) -> None:
        self._counted = counted
        self._alone = alone
        self._heard: Counter[str] = Counter()
        self._was_read = bool(snapshots)
        self._told: dict[Otp, set[Standing]] = {}
        for snapshot in snapshots:
            for key, standing in snapshot.keys.items():
                if standing.counters is not None:
                    self._told.setdefault((key, standing.counters), set()).add(standing)
        self._compared = 0
        self._findings = Findings()

    def sent(self, record: Record) -> None:
        """Nothing is recorded before a decision."""

    def answered(self, record: Record) -> None:
        """Count the answer; an OK that a reading of the store tells of must be told right."""
        self._heard[record.status] += 1
        if record.counters is None or record.status != Status.OK:
            return
        for standing in self._told.get((record.key, record.counters), ()):
            self._compared += 1
            self._hold(standing, record)

    def result(self) -> Result:
        """Say what became of it."""
        checked = self._compared
        notes = []
        if self._counted is None:
            notes.append("the service's counts were not read (--metrics)")
        else:
            checked += self._heard[Status.OK]
            self._hold_counts(self._counted, self._findings)
            notes.append(f"{self._heard[Status.OK]} OK heard, held against the service's count")
        if self._was_read:
            notes.append(f"time and client of {self._compared} OKs found in the store")
        else:
            notes.append("the store was not read (--keystead)")
        return Result(
            "P5",
            "at least one record per OK",
            checked,
            self._findings.count,
            0,
            tuple(self._findings.examples),
            "; ".join(notes),
        )

    def _hold_counts(self, counted: Mapping[str, int], findings: Findings) -> None:
        """Every answer heard is counted; alone, whatever is counted beyond was not heard."""
        unheard = sum(self._heard[word] for word in _NOT_HEARD)
        beyond = 0
        for status in Status:
            heard, told = self._heard[status], counted.get(status, 0)
            if told < heard:
                findings.add(f"{heard} answers {status} were heard, the service counted {told}")
            beyond += max(0, told - heard)
        if self._alone and beyond > unheard:
            findings.add(
                f"the service counted {beyond} answers more than were heard,"
                f" only {unheard} are missing"
            )

    def _hold(self, standing: Standing, record: Record) -> None:
        """Compare a stored acceptance with the OK of the same counters: its time, its client."""
        earliest = record.sent_us // _SECOND_US * _SECOND_US
        if standing.accepted_us is None or not (
            earliest <= standing.accepted_us <= record.answered_us
        ):
            self._findings.add(f"no record of the time of {named(record)}")
        elif standing.client_id != record.client_id:
            self._findings.add(f"recorded for client {standing.client_id}: {named(record)}")
