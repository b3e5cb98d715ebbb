"""P5: at least one record per OK, as far as the service keeps any.

Today these are its count of answers by status, and per key the time and the client of the last
accepted OTP. Both are held against the ledger; neither is a list of every single OK, so this is
the weakest of the proofs and says so.
"""

from collections import Counter
from collections.abc import Mapping

from loadtest.proof.finding import Findings, Result, named
from loadtest.proof.snapshot import Snapshot
from loadtest.records import CUT, NO_ANSWER, UNREADABLE, Record
from validation.status import Status

_SECOND_US = 1_000_000
_NOT_HEARD = frozenset({CUT, NO_ANSWER, UNREADABLE})


class Evidence:
    """Counts what was heard. last: the store after the run, or None.

    counted: the answers by status that the service counted during the run, or None; alone: nobody
    else asked it meanwhile, so that nothing may be counted that was not heard.
    """

    def __init__(
        self, last: Snapshot | None, counted: Mapping[str, int] | None, *, alone: bool
    ) -> None:
        self._last = last
        self._counted = counted
        self._alone = alone
        self._heard: Counter[str] = Counter()
        self._newest: dict[str, Record] = {}

    def sent(self, record: Record) -> None:
        """Nothing is recorded before a decision."""

    def answered(self, record: Record) -> None:
        """Count the answer, and remember each key's newest OK."""
        self._heard[record.status] += 1
        if record.counters is None:
            return
        if record.status == Status.OK:
            known = self._newest.get(record.key)
            if known is None or (known.counters or ()) < record.counters:
                self._newest[record.key] = record

    def result(self) -> Result:
        """Say what became of it."""
        findings = Findings()
        checked = 0
        notes = []
        if self._counted is None:
            notes.append("the service's counts were not read (--metrics)")
        else:
            checked += self._heard[Status.OK]
            self._hold_counts(self._counted, findings)
            notes.append(f"{self._heard[Status.OK]} OK heard and counted by the service")
        if self._last is None:
            notes.append("the store was not read (--keystead)")
        else:
            checked += len(self._newest)
            for key, record in self._newest.items():
                self._hold_time(self._last, key, record, findings)
            notes.append(f"time and client of the last OK compared for {len(self._newest)} keys")
        return Result(
            "P5",
            "at least one record per OK",
            checked,
            findings.count,
            0,
            tuple(findings.examples),
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

    @staticmethod
    def _hold_time(last: Snapshot, key: str, record: Record, findings: Findings) -> None:
        """Compare the stored acceptance: its counters are these, so are its client and time."""
        standing = last.keys.get(key)
        if standing is None or standing.counters != record.counters:
            return  # P2 judges counters; a later outcome nobody heard is no contradiction
        earliest = record.sent_us // _SECOND_US * _SECOND_US
        if standing.accepted_us is None or not (
            earliest <= standing.accepted_us <= record.answered_us
        ):
            findings.add(f"no record of the time of {named(record)}")
        elif standing.client_id != record.client_id:
            findings.add(f"recorded for client {standing.client_id}: {named(record)}")
