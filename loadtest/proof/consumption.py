"""P4: what was refused or throttled consumed nothing: the same OTP validates afterwards."""

from loadtest.proof.finding import Findings, Result, named
from loadtest.records import UNKNOWN_OUTCOME, Behaviour, Record
from validation.status import Status

_REPLAYED = frozenset({Status.REPLAYED_OTP, Status.REPLAYED_REQUEST})
_PRESENTS = frozenset(
    {
        Behaviour.VALID,
        Behaviour.REPEATED,
        Behaviour.RACED,
        Behaviour.CROWDED,
        Behaviour.SETTLED,
        Behaviour.REPLAYED,
    }
)
"""Requests that present a genuine OTP in a way that may consume it."""
_SPARES = _PRESENTS | {Behaviour.REFUSED, Behaviour.GARBLED}
"""Requests after whose refusal the OTP must still be good."""

Otp = tuple[str, tuple[int, int]]


class Consumption:
    """Knows at every moment which counters of a key may have been consumed, and by what.

    A REPLAYED answer is justified only if an OTP with these counters or higher ones of the same
    key was accepted, or may have been: sent before this answer came, and its outcome unknown.
    """

    def __init__(self) -> None:
        self._highest: dict[str, tuple[int, int]] = {}
        self._waiting: dict[Otp, Record] = {}
        self._validated = 0
        self._excused = 0
        self._checked = 0
        self._findings = Findings()

    def sent(self, record: Record) -> None:
        """Learn what may be consumed from now on."""
        if record.counters is None or record.behaviour not in _PRESENTS:
            return
        if record.status == Status.OK or record.status in UNKNOWN_OUTCOME:
            before = self._highest.get(record.key, record.counters)
            self._highest[record.key] = max(before, record.counters)

    def answered(self, record: Record) -> None:
        """Hold a refusal against what can have been consumed."""
        if record.counters is None or record.behaviour not in _SPARES:
            return
        otp = (record.key, record.counters)
        if record.status == Status.OK:
            self._validated += self._waiting.pop(otp, None) is not None
        elif record.status in _REPLAYED:
            self._checked += 1
            if self._highest.get(record.key, (-1, -1)) < record.counters:
                self._findings.add(f"consumed by a request that was not accepted: {named(record)}")
                self._waiting.pop(otp, None)
        elif record.status in UNKNOWN_OUTCOME:
            # The exception that P4 makes: nobody knows, so nothing can be shown.
            if record.behaviour in _PRESENTS:
                self._excused += self._waiting.pop(otp, None) is not None
        elif record.behaviour is not Behaviour.REPLAYED:
            self._waiting[otp] = record

    @property
    def waiting(self) -> dict[Otp, Record]:
        """The OTPs that were refused and have not validated since, with their last refusal."""
        return dict(self._waiting)

    def result(self) -> Result:
        """Say what became of it."""
        return Result(
            "P4",
            "a refused or throttled request consumed nothing: its OTP validated later",
            self._validated + self._checked,
            self._findings.count,
            len(self._waiting),
            tuple(self._findings.examples),
            f"{self._validated} refused OTPs validated afterwards, {len(self._waiting)} were not"
            f" presented again, of {self._excused} nobody knows",
        )
