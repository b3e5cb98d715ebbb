"""P3: no OK for what is garbled, foreign or disabled, or asked in a way that must be refused."""

from loadtest.proof.finding import Findings, Result, named
from loadtest.records import NEVER_OK, Record
from validation.status import Status


class Refusals:
    """Looks at every answer to a request that must never get OK."""

    def __init__(self) -> None:
        self._checked = 0
        self._findings = Findings()

    def sent(self, record: Record) -> None:
        """Nothing is decided before an answer."""

    def answered(self, record: Record) -> None:
        """Take every OK for one, also a badly signed one."""
        if record.behaviour not in NEVER_OK:
            return
        self._checked += 1
        if record.status == Status.OK:
            self._findings.add(f"OK where none may be: {named(record)}")

    def result(self) -> Result:
        """Say what became of it."""
        return Result(
            "P3",
            "no OK for a replayed, garbled, foreign, disabled or wrongly asked OTP",
            self._checked,
            self._findings.count,
            0,
            tuple(self._findings.examples),
            "seen from outside: what an OK was decrypted from is not visible here",
        )
