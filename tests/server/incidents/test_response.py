"""A response clock: a person stops it, a changed severity moves it, what was missed stays so."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.incidents.response import Answered, Assigned, Event, Outcome, run
from server.incidents.severity import Severity

ONE, TWO, THREE, FOUR = Severity
TARGETS = {ONE: 15, TWO: 120, THREE: 720}


def target(severity: Severity, start: int) -> int | None:
    """Return plain targets, and none for severity 4."""
    return start + TARGETS[severity] if severity in TARGETS else None


def test_an_answer_exactly_at_the_due_instant_is_in_time() -> None:
    assert run(0, ONE, [Answered(15)], target).outcome(99) is Outcome.MET
    assert run(0, ONE, [Answered(16)], target).outcome(99) is Outcome.MISSED


def test_a_note_of_the_system_stops_no_clock() -> None:
    clock = run(0, ONE, [Answered(5, by_person=False)], target)
    assert clock.outcome(15) is Outcome.RUNNING
    assert clock.outcome(16) is Outcome.MISSED


def test_a_raised_severity_is_due_at_the_sooner_of_both() -> None:
    assert run(0, TWO, [Assigned(10, ONE)], target).due == 25
    assert run(0, TWO, [Assigned(110, ONE)], target).due == 120


def test_a_lowered_severity_counts_from_the_report_and_is_never_due_in_the_past() -> None:
    clock = run(0, ONE, [Assigned(10, TWO)], target)
    assert [due.due for due in clock.dues] == [15, 120]
    assert run(0, TWO, [Assigned(10, ONE), Assigned(14, TWO)], target).due == 120
    assert run(0, THREE, [Assigned(5, FOUR)], target).due is None


def test_what_was_missed_stays_missed_whatever_is_assigned_then() -> None:
    clock = run(0, ONE, [Assigned(20, THREE), Answered(21)], target)
    assert (clock.outcome(21), clock.missed_at) == (Outcome.MISSED, 15)


def test_without_a_clock_there_is_nothing_to_be_met() -> None:
    assert run(0, FOUR, [Answered(1)], target).outcome(9) is None


events = st.lists(
    st.one_of(
        st.builds(Assigned, st.integers(0, 1000), st.sampled_from(list(Severity))),
        st.builds(Answered, st.integers(0, 1000), st.booleans()),
    ),
    max_size=8,
).map(lambda some: sorted(some, key=lambda event: event.at))


@given(events, st.sampled_from(list(Severity)))
def test_more_events_never_unmake_a_miss_and_the_first_answer_is_the_one_that_counts(
    some: list[Event], severity: Severity
) -> None:
    missed = False
    answered: int | None = None
    for count in range(len(some) + 1):
        clock = run(0, severity, some[:count], target)
        assert clock.missed_at is not None or not missed
        missed = clock.missed_at is not None
        assert answered in {None, clock.answered_at}
        answered = clock.answered_at
        held = [due.since for due in clock.dues]
        assert held == sorted(held)
        assert all(one.severity is not two.severity for one, two in pairwise(clock.dues))
        assert answered is None or max(held) <= answered, "what is answered is due no more"
