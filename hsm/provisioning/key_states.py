"""The states of a key, after NIST SP 800-57 part 1 revision 5, section 7: a table, nothing else.

What is not in the table does not happen. Nothing leaves `DESTROYED`, and what was compromised
can only be destroyed.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType


class KeyState(enum.StrEnum):
    """Where a key is in its life."""

    PRE_ACTIVATION = "pre-activation"  # made, and not yet to be used
    ACTIVE = "active"  # protects, and opens what it protected
    SUSPENDED = "suspended"  # protects nothing for the time being
    DEACTIVATED = "deactivated"  # opens what it once protected, protects nothing any more
    COMPROMISED = "compromised"  # somebody else may have it
    DESTROYED = "destroyed"


class KeyEvent(enum.StrEnum):
    """What happens to a key."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    DEACTIVATE = "deactivate"
    COMPROMISE = "compromise"
    DESTROY = "destroy"


class IllegalTransitionError(ValueError):
    """The event is not possible in this state."""

    def __init__(self, state: KeyState, event: KeyEvent) -> None:
        possible = ", ".join(sorted(one for at, one in TRANSITIONS if at is state)) or "nothing"
        super().__init__(f"a key that is {state} cannot {event}; possible from here: {possible}")
        self.state = state
        self.event = event


# Making a key (the standard's transition 1) begins in PRE_ACTIVATION: that is no event of a key.
TRANSITIONS: Mapping[tuple[KeyState, KeyEvent], KeyState] = MappingProxyType(
    {
        (KeyState.PRE_ACTIVATION, KeyEvent.DESTROY): KeyState.DESTROYED,
        (KeyState.PRE_ACTIVATION, KeyEvent.COMPROMISE): KeyState.COMPROMISED,
        (KeyState.PRE_ACTIVATION, KeyEvent.ACTIVATE): KeyState.ACTIVE,
        (KeyState.ACTIVE, KeyEvent.DESTROY): KeyState.DESTROYED,
        (KeyState.ACTIVE, KeyEvent.COMPROMISE): KeyState.COMPROMISED,
        (KeyState.ACTIVE, KeyEvent.SUSPEND): KeyState.SUSPENDED,
        (KeyState.ACTIVE, KeyEvent.DEACTIVATE): KeyState.DEACTIVATED,
        (KeyState.SUSPENDED, KeyEvent.DESTROY): KeyState.DESTROYED,
        (KeyState.SUSPENDED, KeyEvent.RESUME): KeyState.ACTIVE,
        (KeyState.SUSPENDED, KeyEvent.COMPROMISE): KeyState.COMPROMISED,
        (KeyState.SUSPENDED, KeyEvent.DEACTIVATE): KeyState.DEACTIVATED,
        (KeyState.DEACTIVATED, KeyEvent.DESTROY): KeyState.DESTROYED,
        (KeyState.DEACTIVATED, KeyEvent.COMPROMISE): KeyState.COMPROMISED,
        (KeyState.COMPROMISED, KeyEvent.DESTROY): KeyState.DESTROYED,
    }
)


def after(state: KeyState, event: KeyEvent) -> KeyState:
    """Return the state after an event; IllegalTransitionError when the table has none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None


def may_seal(state: KeyState) -> bool:
    """Tell whether a key may protect anything new (section 7: an active one only)."""
    return state is KeyState.ACTIVE


def may_open(state: KeyState) -> bool:
    """Tell whether a key may open what it protected.

    A compromised one still may, or nothing under it could be brought under another: the standard
    asks for care, and that is what a rotation is.
    """
    return state in {
        KeyState.ACTIVE,
        KeyState.SUSPENDED,
        KeyState.DEACTIVATED,
        KeyState.COMPROMISED,
    }
