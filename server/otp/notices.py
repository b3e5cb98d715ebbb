"""What verification tells the operator: capped lines on refusals, one line per alarm.

Never the OTP (only its public id), the nonce or the signature; and nobody can fill a disk
or hide an alarm by sending nonsense.
"""

from typing import NamedTuple, Protocol

from hsm.vault import RecordRefusedError, VaultError
from server.clock import Clock
from server.otp.batcher import ClosedError, OverloadedError
from server.otp.bounded_map import BoundedMap
from server.otp.deadlines import DeadlinePassedError
from server.otp.ports import FencedError, StoreError, UnknownOutcomeError
from server.otp.verdict import Source, Verdict

NEAR_LIMIT_EVERY_S = 60.0
ALARM_HOLDS_S = 5.0
"""An alarm that comes and goes is told once per this time, not each time."""

_ALARMS_KEPT = 1000
_SMALLEST_QUOTA = 5
"""Below it a single session is 80 % already, which is nothing to warn of."""

_REFUSED = "sealed_record_refused"
_MISSING = "counter_missing"
_FAULTS: dict[type[Exception], str] = {
    OverloadedError: "verifications_shed",
    FencedError: "keys_fenced",
    UnknownOutcomeError: "store_outcome_unknown",
    StoreError: "store_unavailable",
    VaultError: "vault_unavailable",
    DeadlinePassedError: "deadline_passed",
}
"""The alarm of each fault; the first that fits."""

_CLIENTS_KEPT = 10_000


class Log(Protocol):
    """A structured logger; a structlog logger is one."""

    def info(self, event: str, **fields: object) -> object:
        """Write a line for the record."""
        ...

    def warning(self, event: str, **fields: object) -> object:
        """Write a line somebody should see this week."""
        ...

    def error(self, event: str, **fields: object) -> object:
        """Write a line somebody should see now."""
        ...


class _Alarm(NamedTuple):
    since: float
    times: int


class Notices:
    """Turns what happened into log lines, without letting their number grow with the traffic."""

    def __init__(self, log: Log, *, clock: Clock, refusal_lines: int) -> None:
        self._log = log
        self._clock = clock
        self._refusal_lines = refusal_lines
        self._second = 0
        self._lines = 0
        self._suppressed = 0
        self._alarms: dict[str, _Alarm] = {}
        self._warned: BoundedMap[int, float] = BoundedMap(_CLIENTS_KEPT)

    def refused(self, verdict: Verdict, source: Source) -> None:
        """Tell of a request that did not get OK, up to so many a second."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
            if self._suppressed:
                self._log.info("refusals_not_listed", count=self._suppressed)
                self._suppressed = 0
        if self._lines >= self._refusal_lines:
            self._suppressed += 1
            return
        self._lines += 1
        self._log.info(
            "verification_refused",
            status=verdict.status.value,
            client_id=verdict.client_id,
            public_id=verdict.public_id,
            source=source.address,
        )

    def budget(self, client_id: int, *, remaining: int, quota: int) -> None:
        """Warn that a client has spent 80 % or more of its budget, once a minute for each."""
        if remaining * 5 > quota or quota < _SMALLEST_QUOTA:
            return
        now = self._clock.monotonic()
        warned = self._warned.get(client_id)
        if warned is None or now - warned >= NEAR_LIMIT_EVERY_S:
            self._warned.put(client_id, now)
            self._log.warning(
                "client_near_its_limit", client_id=client_id, remaining=remaining, quota=quota
            )

    def broken(
        self,
        error: StoreError | VaultError | DeadlinePassedError,
        *,
        client_id: int,
        public_id: str | None,
    ) -> None:
        """Raise the alarm for a fault of ours that ended a verification in BACKEND_ERROR."""
        if isinstance(error, ClosedError):
            return  # shutting down is no fault
        cause = type(error.__cause__).__name__ if error.__cause__ else None
        if isinstance(error, RecordRefusedError):
            # Which of the two records it was, the error says.
            name = f"{_REFUSED}/{client_id}/{public_id}"
            self._raise(name, _REFUSED, error=str(error), client_id=client_id, public_id=public_id)
        else:
            event = next(name for kind, name in _FAULTS.items() if isinstance(error, kind))
            self._raise(event, event, error=str(error), cause=cause)

    def counter_missing(self, public_id: str) -> None:
        """Raise the alarm for a key without counters: none of its OTPs can be accepted."""
        self._raise(f"{_MISSING}/{public_id}", _MISSING, public_id=public_id)

    def works(self, *, client_id: int, public_id: str) -> None:
        """Tell, after an OK, that what alarms complained of works again."""
        if not self._alarms:
            return
        now = self._clock.monotonic()
        proven = (f"{_REFUSED}/{client_id}/{public_id}", f"{_MISSING}/{public_id}")
        for name in (*_FAULTS.values(), *proven):
            standing = self._alarms.get(name)
            if standing is not None and now - standing.since >= ALARM_HOLDS_S:
                del self._alarms[name]
                self._log.info("recovered", alarm=name, times=standing.times)

    def _raise(self, name: str, event: str, **fields: object) -> None:
        """Raise an alarm, or count it when it stands already."""
        standing = self._alarms.get(name)
        if standing is not None:
            self._alarms[name] = standing._replace(times=standing.times + 1)
        elif len(self._alarms) < _ALARMS_KEPT:
            self._alarms[name] = _Alarm(self._clock.monotonic(), 1)
            self._log.error(event, **fields)
