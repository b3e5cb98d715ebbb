"""Key states after SP 800-57: only what the table says happens, in any order of events."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hsm.provisioning.key_states import (
    TRANSITIONS,
    IllegalTransitionError,
    KeyEvent,
    KeyState,
    after,
    may_open,
    may_seal,
)

FIGURE = {
    # From: where the arrows of figure 3 go.
    KeyState.PRE_ACTIVATION: {KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED},
    KeyState.ACTIVE: {
        KeyState.SUSPENDED,
        KeyState.DEACTIVATED,
        KeyState.COMPROMISED,
        KeyState.DESTROYED,
    },
    KeyState.SUSPENDED: {
        KeyState.ACTIVE,
        KeyState.DEACTIVATED,
        KeyState.COMPROMISED,
        KeyState.DESTROYED,
    },
    KeyState.DEACTIVATED: {KeyState.COMPROMISED, KeyState.DESTROYED},
    KeyState.COMPROMISED: {KeyState.DESTROYED},
    KeyState.DESTROYED: set(),
}


def test_the_arrows_are_those_of_the_standard() -> None:
    drawn: dict[KeyState, set[KeyState]] = {state: set() for state in KeyState}
    for (state, _), to in TRANSITIONS.items():
        drawn[state].add(to)
    assert drawn == FIGURE


def test_each_event_leads_to_one_kind_of_state() -> None:
    for event in KeyEvent:
        assert len({to for (_, one), to in TRANSITIONS.items() if one is event}) == 1


def test_a_refusal_says_what_is_possible() -> None:
    with pytest.raises(IllegalTransitionError, match=r"compromised cannot activate.*destroy"):
        after(KeyState.COMPROMISED, KeyEvent.ACTIVATE)
    with pytest.raises(IllegalTransitionError, match="nothing"):
        after(KeyState.DESTROYED, KeyEvent.RESUME)


class Life(RuleBasedStateMachine):
    """A key to which anything is done in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = KeyState.PRE_ACTIVATION
        self.was = {self.state}

    @rule(event=st.sampled_from(KeyEvent))
    def happens(self, event: KeyEvent) -> None:
        before = self.state
        try:
            self.state = after(before, event)
        except IllegalTransitionError:
            assert (before, event) not in TRANSITIONS
        else:
            assert self.state in FIGURE[before]
            self.was.add(self.state)

    @invariant()
    def what_was_compromised_or_destroyed_protects_nothing_again(self) -> None:
        if self.was & {KeyState.COMPROMISED, KeyState.DESTROYED, KeyState.DEACTIVATED}:
            assert not may_seal(self.state)

    @invariant()
    def the_destroyed_are_gone(self) -> None:
        if KeyState.DESTROYED in self.was:
            assert self.state is KeyState.DESTROYED
            assert not may_open(self.state)

    @invariant()
    def what_seals_opens(self) -> None:
        assert may_open(self.state) or not may_seal(self.state)


TestLife = Life.TestCase
