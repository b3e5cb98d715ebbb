"""What may be done with a maintenance: each step a pure decision, refused in words that say why.

The store calls a decision within the transaction that records it, with its own time and everything
that stands beside it: nobody is announced anything afterwards, and no two windows slip in at once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from server.accounts.text import InputError
from server.incidents.instants import write_instant
from server.incidents.intervals import Span
from server.maintenance.plan import (
    NEXT,
    SETTLED,
    Component,
    Maintenance,
    Plan,
    Record,
    State,
    Step,
)

MAX_TITLE = 120
MAX_LENGTH_S = 31 * 86_400
"""A window of more than a month is a slip of the pen, or no maintenance."""

MAX_CHANGES = 35
"""A history stays small: all that is public travels to every process every few seconds."""

_US = 1_000_000


class MaintenanceStateError(Exception):
    """The maintenance is not in the state for this step; the message says in which it is."""


class OverlapError(Exception):
    """Another window of the same component has some of these seconds."""


class Situation(NamedTuple):
    """What a decision is made on. known: None when there is none yet; others: not `known`."""

    now_us: int
    known: Maintenance | None
    others: Sequence[Maintenance]

    @property
    def at_us(self) -> int:
        """The time of the next record: a history does not go back when a host's clock does."""
        return self.now_us if self.known is None else max(self.now_us, self.known.history[-1].at_us)


Decision: TypeAlias = Callable[[Situation], Sequence[Record]]
"""Returns the records to append, at least one; raises what refuses the step."""


class Changes(NamedTuple):
    """What is to be another; None: as it is."""

    title: str | None = None
    start: int | None = None
    end: int | None = None


def schedule(plan: Plan, *, announce: bool) -> Decision:
    """Make a maintenance; announce: and tell everybody at once."""

    def decide(situation: Situation) -> Sequence[Record]:
        _check_span(plan.span, situation.now_us)
        if plan.span.start * _US <= situation.now_us:
            raise InputError(
                f"the start, {write_instant(plan.span.start)}, is in the past: maintenance is"
                " announced before it begins"
            )
        _check_free(plan.component, plan.span, situation.others)
        steps = (Step.SCHEDULE, Step.ANNOUNCE) if announce else (Step.SCHEDULE,)
        return [Record(step, situation.at_us, plan) for step in steps]

    return decide


def announce(situation: Situation) -> Sequence[Record]:
    """Tell everybody of a draft."""
    known = _known(situation, Step.ANNOUNCE)
    if known.plan.span.start * _US <= situation.now_us:
        raise InputError(
            f"its start, {write_instant(known.plan.span.start)}, is in the past: nobody can be"
            " told before it any more. Change the start, or cancel it"
        )
    return [Record(Step.ANNOUNCE, situation.at_us, known.plan)]


def change(changes: Changes) -> Decision:
    """Change the plan. What was announced before stays in the history."""

    def decide(situation: Situation) -> Sequence[Record]:
        known = _known(situation, Step.CHANGE)
        if sum(record.step is Step.CHANGE for record in known.history) >= MAX_CHANGES:
            raise MaintenanceStateError(
                f"maintenance {known.maintenance_id} was changed {MAX_CHANGES} times: nobody can"
                " follow that. Cancel or finish it, and schedule another one"
            )
        before = known.plan
        span = Span(
            before.span.start if changes.start is None else changes.start,
            before.span.end if changes.end is None else changes.end,
        )
        title = before.title if changes.title is None else changes.title
        after = before._replace(title=title, span=span)
        if after == before:
            raise InputError("nothing would change: give another title, start or end")
        if span != before.span:
            _check_move(known, span, situation)
        return [Record(Step.CHANGE, situation.at_us, after)]

    return decide


def cancel(situation: Situation) -> Sequence[Record]:
    """Call it off, before it begins."""
    known = _known(situation, Step.CANCEL)
    if known.state is not State.DRAFT and known.plan.span.start * _US < situation.now_us:
        raise MaintenanceStateError(
            f"maintenance {known.maintenance_id} had begun at"
            f" {write_instant(known.plan.span.start)} and cannot be called off: change its end"
        )
    return [Record(Step.CANCEL, situation.at_us, known.plan)]


def begin(situation: Situation) -> Sequence[Record]:
    """Note that the work begins."""
    known = _known(situation, Step.BEGIN)
    if not known.plan.span.start * _US <= situation.now_us < known.plan.span.end * _US:
        raise MaintenanceStateError(
            f"maintenance {known.maintenance_id} is announced from"
            f" {write_instant(known.plan.span.start)} to {write_instant(known.plan.span.end)}, and"
            " work outside of that is no maintenance: change it first, before it begins"
        )
    return [Record(Step.BEGIN, situation.at_us, known.plan)]


def finish(situation: Situation) -> Sequence[Record]:
    """Note that the work is done, in time or late."""
    return [Record(Step.FINISH, situation.at_us, _known(situation, Step.FINISH).plan)]


def _known(situation: Situation, step: Step) -> Maintenance:
    known = situation.known
    if known is None:
        raise MaintenanceStateError("there is no such maintenance")
    if (known.state, step) not in NEXT:
        raise MaintenanceStateError(
            f"maintenance {known.maintenance_id} is {known.state.value.replace('-', ' ')}: it"
            f" cannot be {step.value} now"
        )
    return known


def _check_move(known: Maintenance, span: Span, situation: Situation) -> None:
    """Refuse to move a window over seconds that have passed."""
    before, now_us = known.plan.span, situation.now_us
    _check_span(span, now_us)
    if span.start != before.start:
        if known.state is not State.DRAFT and before.start * _US <= now_us:
            raise MaintenanceStateError(
                f"maintenance {known.maintenance_id} has begun at {write_instant(before.start)}:"
                " only its end can be changed"
            )
        if span.start * _US <= now_us:
            raise InputError(f"the start, {write_instant(span.start)}, is in the past")
    if known.state is not State.DRAFT and before.end * _US <= now_us:
        raise MaintenanceStateError(
            f"maintenance {known.maintenance_id} was over at {write_instant(before.end)}: an"
            " extension is announced before the old end. Schedule another one"
        )
    _check_free(known.plan.component, span, situation.others)


def _check_span(span: Span, now_us: int) -> None:
    if span.end <= span.start:
        raise InputError(
            f"the end, {write_instant(span.end)}, is not after the start,"
            f" {write_instant(span.start)}"
        )
    if span.end * _US <= now_us:
        raise InputError(f"the end, {write_instant(span.end)}, is in the past")
    if span.seconds > MAX_LENGTH_S:
        raise InputError(f"a maintenance lasts at most {MAX_LENGTH_S // 86_400} days")


def _check_free(component: Component, span: Span, others: Sequence[Maintenance]) -> None:
    for other in others:
        theirs = other.plan
        if other.state in SETTLED or theirs.component is not component:
            continue
        if theirs.span.start < span.end and span.start < theirs.span.end:
            raise OverlapError(
                f"maintenance {other.maintenance_id} of {component.value} is planned from"
                f" {write_instant(theirs.span.start)} to {write_instant(theirs.span.end)}: change"
                " or cancel that one, or choose another time"
            )
