"""The job at incidents: rules that open them, and reminders of their clocks.

It runs for as long as the lease is held, so that nobody waits for a period to begin. Redundancy
is watched by each machine for itself, without a lease: only it knows what it has.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NoReturn

import structlog

from server.clock import Clock
from server.facts import Fact, FactBook
from server.incidents.desk import IncidentDesk
from server.incidents.intervals import Span
from server.incidents.record import Component, Incident, Origin
from server.incidents.reminders import Reminder, reminders
from server.incidents.rules import (
    LONGEST,
    Counted,
    Finding,
    Standing,
    burn_rate,
    burning,
    hsm_alarm,
    lost_redundancy,
    probe_failing,
    watch_standings,
)
from server.jobs.job import Job
from server.leases import Lease
from server.maintenance.counting import counting_spans
from server.maintenance.ports import MaintenanceSource
from server.otp.ports import StoreError
from server.usage.kinds import sums
from server.usage.ports import UsageBook

READER = "incidents"
"""The name under which facts are read."""

POLL_S = 5.0
PROBE_FAILING = "probe.failing"
PROBE_RECOVERED = "probe.recovered"

_HSM = "hsm."
_FACTS_AT_ONCE = 100
_MINUTE_S = 60
_LATE_MINUTES = 5
"""How late a parcel of counts may be and still be seen."""

_REPORTS_S = 90 * 86_400
"""How long a resolved incident is looked at: twenty Business Days, and more."""

_US = 1_000_000
_log = structlog.stdlib.get_logger(__name__)


def tell(opened: Incident | None) -> bool:
    """Write to the log that an incident was opened; tell whether one was."""
    if opened is None:
        return False
    _log.error(
        "incident_opened",
        incident=opened.incident_id,
        origin=opened.origin.value,
        severity=opened.severity.value,
        title=opened.title,
    )
    return True


class BurnWatch:
    """Reads the minutes of the longest window once, and then only those that can still grow."""

    def __init__(
        self,
        usage: UsageBook,
        maintenance: MaintenanceSource,
        *,
        left_out: Collection[int],
        notice_s: int,
    ) -> None:
        self._usage = usage
        self._maintenance = maintenance
        self._left_out = left_out
        self._notice_s = notice_s
        self._minutes: dict[int, Counted] = {}
        self._upto: int | None = None

    async def minutes(self, now_s: int) -> Sequence[Counted]:
        """Return the minutes of the longest window, without those of announced maintenance."""
        now = now_s // _MINUTE_S
        first = now - LONGEST + 1
        begin = first if self._upto is None else max(first, self._upto - _LATE_MINUTES)
        for slot in await self._usage.total_usage(begin, now + 1, 1, self._left_out):
            counted = sums(slot.counts)
            self._minutes[slot.start] = Counted(slot.start, counted.good, counted.bad)
        self._upto = now
        self._minutes = {at: one for at, one in self._minutes.items() if at >= first}
        announced = await self._maintenance.public_maintenance(first * _MINUTE_S)
        spans = counting_spans(announced, Component.VALIDATION, self._notice_s)
        return [one for one in self._minutes.values() if not _within(one.minute, spans)]


def _within(minute: int, spans: Sequence[Span]) -> bool:
    start = minute * _MINUTE_S
    return any(span.start < start + _MINUTE_S and start < span.end for span in spans)


class IncidentJob:
    """Runs the rules and reminds, for as long as the lease is held. rules: which of them."""

    def __init__(
        self,
        desk: IncidentDesk,
        facts: FactBook,
        burns: BurnWatch,
        *,
        rules: Collection[Origin],
        poll_s: float = POLL_S,
    ) -> None:
        self._desk = desk
        self._facts = facts
        self._burns = burns
        self._rules = rules
        self._poll_s = poll_s
        self._burned = False
        self._subscribed = False
        self._reminded: set[Reminder] = set()
        self._complaint = ""
        self.job = Job("incidents", 1, self._run)

    async def _run(self, lease: Lease) -> NoReturn:
        while True:
            try:
                await self.turn(lease)
            except StoreError as error:
                # It is tried again in a moment; said once.
                if str(error) != self._complaint:
                    self._complaint = str(error)
                    _log.warning("incidents_not_looked_at", error=self._complaint)
            else:
                self._complaint = ""
            await asyncio.sleep(self._poll_s)

    async def turn(self, lease: Lease) -> None:
        """Look once at facts, at the budget and at the clocks. LeaseLostError, StoreError."""
        await self._read_facts(lease)
        if Origin.BURN_RATE in self._rules:
            await self._look_at_budget(lease)
        await self._remind(lease)

    async def _read_facts(self, lease: Lease) -> None:
        if not self._subscribed:
            await self._facts.subscribe(READER)
            self._subscribed = True
        while found := await self._facts.unread_facts(READER, _FACTS_AT_ONCE):
            for fact in found:
                await self._hear(fact, lease)
            # After what was made of them: read again after a crash, they open nothing twice.
            await self._facts.advance_reader(READER, found[-1].position, lease)

    async def _hear(self, fact: Fact, lease: Lease) -> None:
        kind, subject, detail = fact.fact
        what = str(detail.get("what", ""))
        component = Component.VALIDATION
        if kind == PROBE_FAILING and Origin.PROBE in self._rules:
            await self._open(probe_failing(subject, what), lease)
        elif kind == PROBE_RECOVERED and Origin.PROBE in self._rules:
            words = f"the prober {subject} gets right answers again"
            await self._desk.note_by_rule(Origin.PROBE, component, words, lease)
        elif kind.startswith(_HSM) and Origin.HSM_ALARM in self._rules:
            finding = hsm_alarm(subject, kind.removeprefix(_HSM), what)
            if not await self._open(finding, lease):
                await self._desk.note_by_rule(Origin.HSM_ALARM, component, finding.text, lease)

    async def _open(self, finding: Finding, lease: Lease) -> bool:
        return tell(await self._desk.open_by_rule(finding, lease))

    async def _look_at_budget(self, lease: Lease) -> None:
        """Open when it begins to burn, note when it ends: who dismisses it, does so once."""
        now_s = await self._desk.now_s()
        found = burn_rate(await self._burns.minutes(now_s), now_s // _MINUTE_S)
        if found is not None and not self._burned:
            await self._open(found, lease)
        elif found is None and self._burned:
            words = "requests succeed again: the budget burns no faster than it may"
            await self._desk.note_by_rule(Origin.BURN_RATE, Component.VALIDATION, words, lease)
        self._burned = found is not None

    async def _remind(self, lease: Lease) -> None:
        now_s = await self._desk.now_s()
        looked_at = [
            *await self._desk.unsettled(),
            *await self._desk.resolved((now_s - _REPORTS_S) * _US),
        ]
        clocks = await self._desk.clocks(looked_at)
        due = {
            reminder
            for incident_id, running in clocks.items()
            for reminder in reminders(incident_id, running, now_s)
        }
        # What was told stays true for months: the store need not be asked each time.
        await self._desk.remind(sorted(due - self._reminded, key=_by_due), lease)
        self._reminded = due


def _by_due(reminder: Reminder) -> tuple[int, int]:
    return reminder.due, reminder.incident_id


class RedundancyWatch:
    """Opens an incident when something of this machine's has been thin for a while.

    standings: what there is now; where: the machine's name.
    """

    def __init__(
        self,
        desk: IncidentDesk,
        burns: BurnWatch,
        standings: Callable[[], Awaitable[Sequence[Standing]]],
        *,
        clock: Clock,
        where: str,
        poll_s: float = POLL_S,
    ) -> None:
        self._desk = desk
        self._burns = burns
        self._standings = standings
        self._clock = clock
        self._where = where
        self._poll_s = poll_s
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    async def run(self) -> NoReturn:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                _log.warning("redundancy_not_told", error=str(error))
            except Exception as fault:  # noqa: BLE001 - watching must not end, whatever was seen
                _log.error("redundancy_not_watched", error=type(fault).__qualname__)
            await asyncio.sleep(self._poll_s)

    async def look(self) -> None:
        """Look once; open an incident for what has become thin, and note what came back."""
        standings = await self._standings()
        since, thin = watch_standings(self._since, standings, self._clock.monotonic())
        self._since = dict(since)
        fresh = [one for one in thin if one.what not in self._told]
        back = self._told - self._since.keys()
        if fresh and not await self._is_burning():
            finding = lost_redundancy(fresh, self._where)
            if finding is not None and not tell(await self._desk.open_by_rule(finding)):
                await self._note(finding.text)
            self._told |= {one.what for one in fresh}
        if back:
            await self._note(f"on {self._where} all {', '.join(sorted(back))} are back")
            self._told -= back

    async def _is_burning(self) -> bool:
        """Whether requests fail as well: that is another rule's, of another severity."""
        now_s = await self._desk.now_s()
        return burning(await self._burns.minutes(now_s), now_s // _MINUTE_S) is not None

    async def _note(self, words: str) -> None:
        await self._desk.note_by_rule(Origin.LOST_REDUNDANCY, Component.VALIDATION, words)
