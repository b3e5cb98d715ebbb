"""The states of an incident, the steps of its history, and the only ways from one to another."""

import enum
from collections.abc import Mapping


class State(enum.Enum):
    """Where an incident stands."""

    OPEN = "open"
    """Nobody has taken it on yet."""
    ACKNOWLEDGED = "acknowledged"
    """A person works on it."""
    MITIGATED = "mitigated"
    """The service works again; whether for good is being watched."""
    RESOLVED = "resolved"
    """It is over. The report's clock runs."""
    DISMISSED = "dismissed"
    """It was none: what was measured stays as it is."""


class Step(enum.Enum):
    """What was done: the kinds of records in a history."""

    OPENED = "opened"
    NOTE = "note"
    """Something to be remembered, by a person or the system; nobody outside reads it."""
    ACKNOWLEDGED = "acknowledged"
    UPDATE = "update"
    """Something that was told: to everybody, or only to those it concerns."""
    ASSIGNED = "assigned"
    """It was given a severity, the first one or another."""
    CONFIRMED = "confirmed"
    """A person says from when to when what part of the service was lost."""
    AFFECTED = "affected"
    """Which clients it concerns."""
    MITIGATED = "mitigated"
    WORSENED = "worsened"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    DISMISSED = "dismissed"
    AMENDED = "amended"
    """What counts of some seconds, whatever was measured or confirmed before."""
    REPORTED = "reported"
    """The incident analysis report was published, or published anew."""


UNSETTLED = frozenset({State.OPEN, State.ACKNOWLEDGED, State.MITIGATED})
"""Somebody has to do something about these."""

TABLE: Mapping[tuple[State | None, Step], State] = {
    (None, Step.OPENED): State.OPEN,
    (State.OPEN, Step.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.OPEN, Step.DISMISSED): State.DISMISSED,
    (State.ACKNOWLEDGED, Step.MITIGATED): State.MITIGATED,
    (State.ACKNOWLEDGED, Step.RESOLVED): State.RESOLVED,
    (State.ACKNOWLEDGED, Step.DISMISSED): State.DISMISSED,
    (State.MITIGATED, Step.WORSENED): State.ACKNOWLEDGED,
    (State.MITIGATED, Step.RESOLVED): State.RESOLVED,
    (State.RESOLVED, Step.REOPENED): State.ACKNOWLEDGED,
    (State.DISMISSED, Step.REOPENED): State.OPEN,
}
"""Whoever resolves has acknowledged before: the response clock needs a person's answer."""

_STAYS: Mapping[Step, frozenset[State]] = {
    Step.NOTE: frozenset(State),
    Step.UPDATE: frozenset(State) - {State.DISMISSED},
    Step.ASSIGNED: frozenset(State) - {State.DISMISSED},
    Step.AFFECTED: frozenset(State),
    Step.CONFIRMED: frozenset({State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED}),
    Step.AMENDED: frozenset(State) - {State.OPEN},
    Step.REPORTED: frozenset({State.RESOLVED}),
}
"""Steps that lead nowhere else, and where they can be taken."""


class StepRefusedError(ValueError):
    """An incident that stands there cannot go that way. The message says what it can."""


def step(state: State | None, taken: Step) -> State:
    """Return where a step leads; state: None before the first one. StepRefusedError."""
    if state is not None and state in _STAYS.get(taken, ()):
        return state
    to = TABLE.get((state, taken))
    if to is None:
        raise StepRefusedError(
            f"an incident that is {'new' if state is None else state.value} cannot be"
            f" {_WORDS.get(taken, taken.value)} now: {' or '.join(_possible(state))} is possible"
        )
    return to


def _possible(state: State | None) -> list[str]:
    return [_WORDS.get(way, way.value) for way in Step if _leads(state, way)]


def _leads(state: State | None, way: Step) -> bool:
    return (state, way) in TABLE or (state is not None and state in _STAYS.get(way, ()))


_WORDS: Mapping[Step, str] = {
    Step.NOTE: "noted upon",
    Step.UPDATE: "updated",
    Step.ASSIGNED: "assigned a severity",
    Step.AFFECTED: "given clients",
}
