"""Three days of a small service, in a real store: what was answered, announced and confirmed.

Two clients of one customer and one of nobody's; probers looked all the time but for an hour.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

from server.accounts.clients import ClientDesk
from server.accounts.customer_ports import CustomerTerms, Entity, Plan
from server.accounts.customers import CustomerDesk
from server.incidents.components import Component
from server.incidents.desk import IncidentDesk, NewIncident, SpanText
from server.incidents.instants import parse_instant
from server.incidents.severity import Severity, Situation
from server.journal.acts import OPERATOR, Actor, Cause
from server.ledger.entry import Entry
from server.maintenance.desk import MaintenanceDesk
from server.reports.analysis_desk import AnalysisDesk
from server.reports.customer_desk import CustomerReportDesk
from server.reports.evidence import DayEvidence, evidence_of
from server.reports.regulatory import Regime
from server.storage.sqlite.store import SqliteStore, open_sqlite
from server.uptime.desk import UptimeDesk
from server.uptime.keeper import UptimeKeeper
from server.uptime.rollup import ProbeMinute
from server.usage.kinds import KINDS
from server.usage.ports import MAX_PARCEL_ROWS, MinuteRow, Parcel
from tests.server.memory_keys import MemoryKeys
from tests.server.still_clock import StillClock
from validation.gcra import UNLIMITED, Policy, Rate

EVE = Cause(Actor(OPERATOR, "eve"), "a test")
FIRST = parse_instant("2026-10-30T00:00:00Z")
DAYS = 4
NOW = "2026-11-03T12:00:00Z"
BAD = parse_instant("2026-11-01T10:00:00Z")
"""From here on half an hour went wrong for the first client."""

UNSEEN = parse_instant("2026-11-02T05:00:00Z")
"""An hour in which nobody asked and no prober looked."""

POLICY = Policy(Rate.per_second(10, 50), UNLIMITED)


class House(NamedTuple):
    """The desks, over one store."""

    store: SqliteStore
    clock: StillClock
    customers: CustomerDesk
    clients: ClientDesk
    incidents: IncidentDesk
    uptime: UptimeDesk
    analyses: AnalysisDesk
    reports: CustomerReportDesk

    async def close_days(self, notice_s: int = 0) -> None:
        """Roll up what is past."""
        lease = await self.store.acquire_lease("uptime", "test", 60_000_000)
        assert lease is not None
        keeper = UptimeKeeper(
            self.store, min_requests=2, left_out=(), kept_days=400, notice_s=notice_s
        )
        await keeper.work(lease)
        await self.store.rest_lease(lease)

    async def ledger(self) -> list[Entry]:
        """Return all of the ledger."""
        return list(await self.store.ledger_entries(0, 10_000))

    async def evidence(self, first_day: int, end_day: int) -> list[DayEvidence]:
        """Return evidence about the customer's clients, as it travels."""
        found: list[DayEvidence] = []
        async for segments in self.reports.evidence(first_day, end_day):
            found += evidence_of(segments, {1, 2})
        return [DayEvidence.of_json(one.to_json()) for one in found]

    def set_to(self, text: str) -> None:
        """Let it be another time."""
        self.clock.us = parse_instant(text) * 1_000_000


def counts(**named: int) -> tuple[int, ...]:
    """Return a row's counts."""
    return tuple(named.get(kind, 0) for kind in KINDS)


def _rows() -> list[MinuteRow]:
    rows = []
    for minute in range(FIRST // 60, FIRST // 60 + DAYS * 1440, 7):
        went_wrong = BAD <= minute * 60 < BAD + 1800
        if UNSEEN <= minute * 60 < UNSEEN + 3600:
            continue
        first = counts(ok=3, backend_error=1) if went_wrong else counts(ok=4, limited=1)
        rows.append(MinuteRow(minute, 1, first))
        rows.append(MinuteRow(minute, 3, counts(ok=1, replayed_otp=1)))
        if minute % 2:
            rows.append(MinuteRow(minute, 2, counts(ok=1)))
    return rows


async def furnish(path: Path) -> None:
    """Make the store, as of NOW: four whole days have passed since October 30."""
    async with house(path, create=True) as made:
        await _furnish(made)


@asynccontextmanager
async def house(path: Path, *, create: bool = False) -> AsyncIterator[House]:
    """Open it, as of NOW."""
    clock = StillClock()
    store = await open_sqlite(path, clock=clock, default_policy=POLICY, create=create)
    try:
        made = _desks(store, clock)
        made.set_to(NOW)
        yield made
    finally:
        await store.close()


def _desks(store: SqliteStore, clock: StillClock) -> House:
    clients = ClientDesk(store, MemoryKeys().vault, clock=clock, default_policy=POLICY)
    customers = CustomerDesk(store)
    incidents = IncidentDesk(store)
    uptime = UptimeDesk(store, store, min_requests=2)
    return House(
        store,
        clock,
        customers,
        clients,
        incidents,
        uptime,
        AnalysisDesk(store, incidents, uptime, store, tuple(Regime)),
        CustomerReportDesk(customers, clients, uptime, store, keystead="0.1.0"),
    )


async def _furnish(made: House) -> None:
    store, customers, clients, incidents = made.store, made.customers, made.clients, made.incidents
    made.set_to("2026-10-29T12:00:00Z")
    plan = Plan(date(2026, 10, 31), date(2027, 10, 31))
    await customers.add(CustomerTerms("Åkeri AB", Entity.AB, plan, True), cause=EVE)
    for name, customer in (("mail", 1), ("vpn", 1), ("other", None)):
        await clients.add(name, customer=customer, cause=EVE)
    await MaintenanceDesk(store).schedule(
        Component.VALIDATION,
        "Database",
        start="2026-10-31T02:00:00Z",
        end="2026-10-31T03:00:30Z",
        cause=EVE,
    )
    await _count(store)
    made.set_to("2026-11-01T10:05:00Z")
    one = await incidents.open(
        NewIncident(Component.VALIDATION, "Half of it fails", Situation(unavailable=True)),
        cause=EVE,
    )
    number = one.incident_id
    await incidents.acknowledge(number, tell="We look.", cause=EVE)
    await incidents.assign(number, Severity.SEV_1, cause=EVE)
    made.set_to("2026-11-01T10:20:00Z")
    await incidents.note(number, "Bob pulled the plug.", cause=EVE)
    await incidents.resolve(number, summary="The plug is in again.", cause=EVE)
    span = SpanText("2026-11-01T09:59:30Z", "2026-11-01T10:15:00Z", "1/2")
    await incidents.confirm(number, [span], cause=EVE)
    await incidents.affect(number, [1], cause=EVE)
    made.set_to(NOW)
    await made.close_days()


async def _count(store: SqliteStore) -> None:
    rows = _rows()
    for number, at in enumerate(range(0, len(rows), MAX_PARCEL_ROWS), 1):
        await store.add_usage(Parcel("test", number, tuple(rows[at : at + MAX_PARCEL_ROWS])))
    await store.add_probes(_probes())


def _probes() -> Sequence[ProbeMinute]:
    return [
        ProbeMinute(minute, 2, 0)
        for minute in range(FIRST // 60, FIRST // 60 + DAYS * 1440)
        if not UNSEEN <= minute * 60 < UNSEEN + 3600
    ]
