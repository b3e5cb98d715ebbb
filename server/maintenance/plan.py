"""A maintenance: its plan, the records of its history, and the states that they lead through."""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from server.incidents.components import Component as Component  # noqa: PLC0414 - told on from here
from server.incidents.intervals import Span


class Step(enum.StrEnum):
    """What was done with a maintenance."""

    SCHEDULE = "scheduled"
    ANNOUNCE = "announced"
    CHANGE = "changed"
    CANCEL = "cancelled"
    BEGIN = "begun"
    FINISH = "finished"


class State(enum.StrEnum):
    """How far a maintenance is. A draft is known to operators only, and counts for nothing."""

    DRAFT = "draft"
    ANNOUNCED = "announced"
    UNDER_WAY = "under-way"
    FINISHED = "finished"
    CANCELLED = "cancelled"


NEXT: Mapping[tuple[State | None, Step], State] = {
    (None, Step.SCHEDULE): State.DRAFT,
    (State.DRAFT, Step.ANNOUNCE): State.ANNOUNCED,
    (State.DRAFT, Step.CHANGE): State.DRAFT,
    (State.DRAFT, Step.CANCEL): State.CANCELLED,
    (State.ANNOUNCED, Step.CHANGE): State.ANNOUNCED,
    (State.ANNOUNCED, Step.CANCEL): State.CANCELLED,
    (State.ANNOUNCED, Step.BEGIN): State.UNDER_WAY,
    (State.UNDER_WAY, Step.CHANGE): State.UNDER_WAY,
    (State.UNDER_WAY, Step.FINISH): State.FINISHED,
}
"""(state, step) -> state; a step that is not here is refused in that state."""

SETTLED = frozenset({State.FINISHED, State.CANCELLED})
"""Nothing can be done with these any more."""


class Plan(NamedTuple):
    """What is to be done, and when. title: one line for everybody; span: seconds of UTC."""

    component: Component
    title: str
    span: Span


class Record(NamedTuple):
    """One step of a history. at_us: the store's time; plan: as it holds from then on."""

    step: Step
    at_us: int
    plan: Plan


class Maintenance(NamedTuple):
    """A maintenance with its whole history, the first record first; there is at least one."""

    maintenance_id: int
    history: tuple[Record, ...]

    @property
    def plan(self) -> Plan:
        """What holds now."""
        return self.history[-1].plan

    @property
    def state(self) -> State:
        """How far it is."""
        state: State | None = None
        for record in self.history:
            state = NEXT[state, record.step]
        return state or State.DRAFT

    @property
    def announced_us(self) -> int | None:
        """When everybody was told of it first; None when nobody was."""
        told = (record.at_us for record in self.history if record.step is Step.ANNOUNCE)
        return next(told, None)

    @property
    def public(self) -> tuple[Record, ...]:
        """The history from its announcement on; nothing of a draft."""
        steps = [record.step for record in self.history]
        return self.history[steps.index(Step.ANNOUNCE) :] if Step.ANNOUNCE in steps else ()


class Condition(enum.StrEnum):
    """How a maintenance looks at a moment: its state, and where its window lies."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in-progress"
    OVERRUN = "overrun"
    OVER = "over"
    FINISHED = "finished"
    CANCELLED = "cancelled"


def condition(maintenance: Maintenance, now_s: int) -> Condition:
    """Return how it looks now. Overrun: work began, its window is over, and nobody ended it."""
    return condition_of(maintenance.state, maintenance.plan.span, now_s)


def condition_of(state: State, span: Span, now_s: int) -> Condition:
    """Return how a maintenance in this state, planned for this span, looks now."""
    if state in {State.DRAFT, State.FINISHED, State.CANCELLED}:
        return Condition(state.value)
    if now_s >= span.end:
        return Condition.OVERRUN if state is State.UNDER_WAY else Condition.OVER
    return Condition.IN_PROGRESS if now_s >= span.start else Condition.SCHEDULED
