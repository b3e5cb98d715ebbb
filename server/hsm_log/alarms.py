"""What becomes of findings: a line in the log, a count, and facts for whoever acts on them."""

from collections.abc import Callable, Iterable, Sequence

import structlog

from hsm.audit.finding import Finding, Kind
from server.facts import NewFact

FACT = "hsm."
"""Facts of findings are called so, and then like the kind: "hsm.break"."""

_log = structlog.stdlib.get_logger(__name__)


class Alarms:
    """Tells findings. count: called for every alarm, with its kind."""

    def __init__(self, count: Callable[[Kind], None]) -> None:
        self._count = count

    def raised(
        self, serial: int | None, findings: Iterable[Finding], sequence: int | None = None
    ) -> Sequence[NewFact]:
        """Log and count findings; return the facts of those that are alarms.

        serial: the device's, None for all of them; sequence: the record of the archive. After a
        crash a finding may be logged and counted twice; its fact is written once.
        """
        facts = []
        for found in findings:
            detail = {"record": sequence, "entry": found.number, "what": found.what}
            if not found.is_alarm:
                _log.info("hsm_log_notice", serial=serial, kind=found.kind.value, **detail)
                continue
            _log.error("hsm_alarm", serial=serial, kind=found.kind.value, **detail)
            self._count(found.kind)
            subject = "hsm" if serial is None else f"hsm:{serial}"
            facts.append(NewFact(f"{FACT}{found.kind.value}", subject, detail))
        return facts
