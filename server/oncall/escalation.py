"""Escalation: who is called, in what order, after how many minutes without an acknowledgement.

Severities 1 and 2 are worked on day and night. For the others nobody is woken: their minutes
count in Business Hours, and a step that falls outside of them waits for the next.
"""

from collections.abc import Iterator
from typing import NamedTuple

from server.incidents.business_calendar import BusinessCalendar
from server.incidents.severity import Severity
from server.oncall.rota import Rota

ON_CALL = "on-call"
NEXT = "next"
EVERYBODY = "everybody"
ROLES = (ON_CALL, NEXT, EVERYBODY)
"""What a step may say beside the names of people."""

MOST_CALLS = 500
"""Nobody who did not answer that often will; and a list has an end."""

_MINUTE_S = 60


class Step(NamedTuple):
    """Whom to call. after_minutes: without an acknowledgement; call: names, or roles."""

    after_minutes: int
    call: tuple[str, ...]


class Escalation(NamedTuple):
    """The steps, in order of their minutes; the last one is repeated until somebody answers.

    repeat_minutes: between those repetitions, 0 for none.
    """

    steps: tuple[Step, ...]
    repeat_minutes: int = 0


class Call(NamedTuple):
    """Somebody to be called. at: when the step was due; step: its number, repetitions count on."""

    step: int
    person: str
    at: int


def who_is_called(
    rota: Rota,
    escalation: Escalation,
    *,
    severity: Severity,
    opened_at: int,
    now: int,
    acknowledged_at: int | None = None,
    hours: BusinessCalendar | None = None,
) -> list[Call]:
    """Return everybody who was to be called by now, in order; nobody from the acknowledgement on.

    Whose turn it is counts at the instant of the step. hours: when others than severities 1 and 2
    are worked on, None: always. A step is due at its instant, not after it.
    """
    until = now if acknowledged_at is None else min(now, acknowledged_at - 1)
    calls: list[Call] = []
    for number, step in enumerate(_steps(escalation)):
        at = _due(severity, opened_at, step.after_minutes * _MINUTE_S, hours)
        if at > until or len(calls) >= MOST_CALLS:
            break
        calls += [Call(number, person, at) for person in _people(rota, step.call, at)]
    return calls


def _steps(escalation: Escalation) -> Iterator[Step]:
    yield from escalation.steps
    last, every = escalation.steps[-1], escalation.repeat_minutes
    while every:
        last = last._replace(after_minutes=last.after_minutes + every)
        yield last


def _due(severity: Severity, opened_at: int, wait_s: int, hours: BusinessCalendar | None) -> int:
    if hours is None or severity <= Severity.SEV_2:
        return opened_at + wait_s
    # `after` counts from one second on: a step without a wait is at the first open second.
    return hours.after(opened_at, wait_s + 1) - 1


def _people(rota: Rota, called: tuple[str, ...], at: int) -> list[str]:
    """Return names, each once, in the order in which the step names them."""
    found: dict[str, None] = {}
    for name in called:
        match name:
            case "on-call":
                found[rota.on_call(at)] = None
            case "next":
                found[rota.next_up(at)] = None
            case "everybody":
                found |= dict.fromkeys(rota.turns)
            case _:
                found[name] = None
    return list(found)
