"""Valid OTPs at clients below their limit get OK: the other half of safety is letting people in."""

from loadtest.proof.finding import Findings, Result, named
from loadtest.records import CUT, NO_ANSWER, Behaviour, Record
from validation.status import Status

_LATE = frozenset({Status.OK, Status.REPLAYED_REQUEST})


class Service:
    """Looks at fresh OTPs. tolerant: BACKEND_ERROR and silence are failures, not violations."""

    def __init__(self, *, tolerant: bool) -> None:
        self._excused = {CUT}
        if tolerant:
            self._excused |= {Status.BACKEND_ERROR, NO_ANSWER}
        self._checked = 0
        self._findings = Findings()

    def sent(self, record: Record) -> None:
        """Nothing is decided before an answer."""

    def answered(self, record: Record) -> None:
        """Judge the answers that had to be OK. After silence the same question is asked again."""
        behaviour, status = record.behaviour, record.status
        if behaviour in {Behaviour.VALID, Behaviour.SETTLED}:
            right = (status == Status.OK and record.genuine) or status == NO_ANSWER
        elif behaviour is Behaviour.REPEATED:
            right = status in _LATE and record.genuine
        else:
            return
        if status in self._excused:
            return
        self._checked += 1
        if not right:
            self._findings.add(f"no OK for a valid OTP: {named(record)}")

    def result(self) -> Result:
        """Say what became of it."""
        return Result(
            "service",
            "a valid OTP of a client below its limit gets OK",
            self._checked,
            self._findings.count,
            0,
            tuple(self._findings.examples),
            "",
        )
