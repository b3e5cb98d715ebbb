"""Histories for tests, made as the store makes them: by decisions, at a time."""

from collections.abc import Sequence

from server.incidents.intervals import Span
from server.maintenance import decisions
from server.maintenance.decisions import Changes, Decision, Situation
from server.maintenance.plan import Component, Maintenance, Plan

T0 = 1_795_262_400
"""2026-11-21T12:00:00Z."""

HOUR = 3600
US = 1_000_000


def a_plan(
    start: int = T0 + HOUR, end: int = T0 + 3 * HOUR, component: Component = Component.VALIDATION
) -> Plan:
    return Plan(component, "Database upgrade", Span(start, end))


def do(
    known: Maintenance | None,
    decision: Decision,
    at: float,
    others: Sequence[Maintenance] = (),
    number: int = 1,
) -> Maintenance:
    """Continue a history at a time, in seconds."""
    before = () if known is None else known.history
    added = decision(Situation(round(at * US), known, others))
    return Maintenance(number, (*before, *added))


def announced(plan: Plan | None = None, at: float = T0, number: int = 1) -> Maintenance:
    return do(None, decisions.schedule(plan or a_plan(), announce=True), at, number=number)


def changed(known: Maintenance, at: float, **changes: int) -> Maintenance:
    return do(known, decisions.change(Changes(**changes)), at)  # type: ignore[arg-type] # times
