"""P1: an OTP that was answered OK is never answered OK again."""

from loadtest.proof.finding import Findings, Result, named
from loadtest.records import Record
from validation.status import Status


class Once:
    """Remembers every accepted OTP: one bit each, 256 of a session together."""

    def __init__(self) -> None:
        self._accepted: dict[tuple[str, int], int] = {}
        self._checked = 0
        self._findings = Findings()

    def sent(self, record: Record) -> None:
        """Nothing is decided before an answer."""

    def answered(self, record: Record) -> None:
        """Take every OK for one, also a badly signed one: careless clients do the same."""
        if record.status != Status.OK or record.counters is None:
            return
        session, use = record.counters
        place = (record.key, session)
        bits = self._accepted.get(place, 0)
        self._checked += 1
        if bits >> use & 1:
            self._findings.add(f"OK a second time: {named(record)}")
        self._accepted[place] = bits | 1 << use

    def result(self) -> Result:
        """Say what became of it."""
        return Result(
            "P1",
            "an OTP answered OK is never answered OK again",
            self._checked,
            self._findings.count,
            0,
            tuple(self._findings.examples),
            "",
        )
