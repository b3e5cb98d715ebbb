"""The states of an incident, and the only ways from one to another."""

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
    """What a person does."""

    ACKNOWLEDGE = "acknowledge"
    MITIGATE = "mitigate"
    WORSEN = "worsen"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    DISMISS = "dismiss"


TABLE: Mapping[tuple[State, Step], State] = {
    (State.OPEN, Step.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.OPEN, Step.DISMISS): State.DISMISSED,
    (State.ACKNOWLEDGED, Step.MITIGATE): State.MITIGATED,
    (State.ACKNOWLEDGED, Step.RESOLVE): State.RESOLVED,
    (State.ACKNOWLEDGED, Step.DISMISS): State.DISMISSED,
    (State.MITIGATED, Step.WORSEN): State.ACKNOWLEDGED,
    (State.MITIGATED, Step.RESOLVE): State.RESOLVED,
    (State.RESOLVED, Step.REOPEN): State.ACKNOWLEDGED,
    (State.DISMISSED, Step.REOPEN): State.OPEN,
}
"""Whoever resolves has acknowledged before: the response clock needs a person's answer."""


class StepRefusedError(ValueError):
    """An incident that stands there cannot go that way. The message says what it can."""


def step(state: State, taken: Step) -> State:
    """Return where a step leads; StepRefusedError."""
    to = TABLE.get((state, taken))
    if to is None:
        possible = " or ".join(way.value for (at, way) in TABLE if at is state)
        raise StepRefusedError(
            f"an incident that is {state.value} cannot be taken on with {taken.value!r}:"
            f" {possible} is possible"
        )
    return to
