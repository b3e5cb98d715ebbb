"""An incident of half an hour, and the evidence of its analysis report."""

from fractions import Fraction

from server.incidents.availability import TARGET, Availability
from server.incidents.intervals import Span
from server.incidents.record import (
    Affected,
    Assignment,
    Confirmation,
    Incident,
    Loss,
    Record,
    Severity,
    Step,
    Update,
)
from server.reports.analysis import ClockLine, Facts, Standing
from server.reports.drafting import Counted, Evidence, MonthCounted, draft, span_of
from server.reports.values import Requests
from tests.server.incidents.histories import EVE, OPENED_US, SYSTEM, incident

OPENED = OPENED_US // 1_000_000
NOW = OPENED + 7200


def at(seconds: int, step: Step, text: str = "", detail: object = None) -> Record:
    """Return a person's step so many seconds after the opening."""
    return Record(step, OPENED_US + seconds * 1_000_000, EVE, text, detail)  # type: ignore[arg-type]


def an_incident() -> Incident:
    """Return an incident that was resolved after half an hour."""
    return incident(
        Record(Step.NOTE, OPENED_US + 1_000_000, SYSTEM, "burn rate 20"),
        at(300, Step.ACKNOWLEDGED, "password of the database was rotated"),
        at(300, Step.ASSIGNED, "as proposed", Assignment(Severity.SEV_1, Severity.SEV_1)),
        at(600, Step.UPDATE, "We know the cause.", Update(public=True)),
        at(700, Step.UPDATE, "Ask Bob.", Update(public=False)),
        at(800, Step.AFFECTED, "", Affected((7, 12))),
        at(1800, Step.MITIGATED),
        at(1900, Step.RESOLVED),
        at(2000, Step.CONFIRMED, "", Confirmation((Loss(OPENED, OPENED + 1800, Fraction(1, 2)),))),
    )


def figures(span: Span, lost: Fraction, unknown: int = 0) -> Availability:
    """Return the availability of a span in which so much was lost."""
    return Availability(span.seconds, 0, unknown, lost, TARGET, (1 - TARGET) * span.seconds)


def evidence(one: Incident, unknown: int = 0) -> Evidence:
    """Return what was counted."""
    span = span_of(one, NOW)
    month = Span(OPENED - 86_400, NOW)
    return Evidence(
        span=span,
        now_s=NOW,
        due_s=NOW + 86_400,
        clocks=[
            ClockLine(
                clock="initial response",
                due=OPENED + 900,
                stopped=OPENED + 300,
                standing=Standing.MET,
            )
        ],
        counted=[
            Counted(
                0, Requests(good=90, bad=110, excluded=0), figures(span, Fraction(900), unknown)
            ),
            Counted(7, Requests(good=10, bad=70, excluded=2), figures(span, Fraction(3151, 2))),
            Counted(12, Requests(good=80, bad=40, excluded=0), figures(span, Fraction(600))),
        ],
        months=[
            MonthCounted(
                "2026-09", figures(month, Fraction(901)), figures(span, Fraction(900), unknown)
            )
        ],
    )


def facts(one: Incident | None = None, unknown: int = 0) -> Facts:
    """Return the facts of a draft."""
    one = one or an_incident()
    return draft(one, evidence(one, unknown))
