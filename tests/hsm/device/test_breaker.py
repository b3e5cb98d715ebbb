"""The circuit breaker's table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.device.breaker import FIRST_WAIT_S, LONGEST_WAIT_S, Breaker, Event, State


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], State.CLOSED),
        ([Event.SUCCEEDED, Event.ANSWERED], State.CLOSED),
        ([Event.FAILED], State.OPEN),
        ([Event.FAILED, Event.SUCCEEDED], State.OPEN),
        ([Event.FAILED, Event.ANSWERED], State.TRYING),
        ([Event.FAILED, Event.ANSWERED, Event.FAILED], State.OPEN),
        ([Event.FAILED, Event.ANSWERED, Event.SUCCEEDED], State.CLOSED),
    ],
)
def test_what_is_learned_leads_to_what_may_be_asked(events: list[Event], state: State) -> None:
    breaker = Breaker()
    for event in events:
        breaker.note(event)
    assert breaker.state is state


@given(st.lists(st.sampled_from(Event)))
def test_a_device_that_failed_is_asked_everything_only_after_it_did_a_command(
    events: list[Event],
) -> None:
    breaker = Breaker()
    for event in events:
        before = breaker.state
        breaker.note(event)
        if before is not State.CLOSED and breaker.state is State.CLOSED:
            assert (before, event) == (State.TRYING, Event.SUCCEEDED)


@given(st.lists(st.sampled_from(Event)))
def test_the_waits_grow_and_have_an_end(events: list[Event]) -> None:
    breaker = Breaker()
    for event in events:
        before = breaker.wait_s
        breaker.note(event)
        assert FIRST_WAIT_S <= breaker.wait_s <= LONGEST_WAIT_S
        assert event is not Event.FAILED or breaker.wait_s >= before
