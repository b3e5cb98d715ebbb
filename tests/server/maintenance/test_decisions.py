"""What may be done with maintenance, and the words with which the rest is refused."""

import pytest

from server.accounts.text import InputError
from server.incidents.intervals import Span
from server.maintenance import decisions
from server.maintenance.decisions import (
    MAX_CHANGES,
    MAX_LENGTH_S,
    Changes,
    Decision,
    MaintenanceStateError,
    OverlapError,
)
from server.maintenance.plan import NEXT, Component, Condition, Maintenance, State, Step, condition
from tests.server.maintenance.histories import HOUR, T0, a_plan, announced, changed, do

START, END = a_plan().span


def draft() -> Maintenance:
    return do(None, decisions.schedule(a_plan(), announce=False), T0)


def in_state(state: State) -> Maintenance:
    begun = do(announced(), decisions.begin, START)
    return {
        State.DRAFT: draft(),
        State.ANNOUNCED: announced(),
        State.UNDER_WAY: begun,
        State.FINISHED: do(begun, decisions.finish, START + 60),
        State.CANCELLED: do(announced(), decisions.cancel, T0 + 1),
    }[state]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(T0 + 60, T0 + 60), "is not after the start"),
        (Span(T0 + 60, T0 + 30), "is not after the start"),
        (Span(T0, T0 + 60), "the start, 2026-11-21T12:00:00Z, is in the past"),
        (Span(T0 - 60, T0 + 60), "is in the past"),
        (Span(T0 - 60, T0 - 30), "the end, 2026-11-21T11:59:30Z, is in the past"),
        (Span(T0 + 1, T0 + 2 + MAX_LENGTH_S), "at most 31 days"),
    ],
)
def test_a_window_that_cannot_be_announced_is_refused(span: Span, words: str) -> None:
    for announce in (True, False):
        with pytest.raises(InputError, match=words):
            do(None, decisions.schedule(a_plan(*span), announce=announce), T0)


@pytest.mark.parametrize(
    "span",
    [
        Span(START, END),
        Span(START - 60, START + 1),
        Span(END - 1, END + 60),
        Span(START + 1, END - 1),
    ],
)
def test_windows_of_one_component_do_not_overlap(span: Span) -> None:
    standing = announced(number=7)
    with pytest.raises(OverlapError, match="maintenance 7 of validation is planned"):
        do(None, decisions.schedule(a_plan(*span), announce=True), T0, [standing])
    later = announced(a_plan(END + HOUR, END + 2 * HOUR), number=8)
    with pytest.raises(OverlapError, match="maintenance 7"):
        do(later, decisions.change(Changes(start=span.start, end=span.end)), T0, [standing])
    other = a_plan(*span, component=Component.UPLOAD)
    assert do(None, decisions.schedule(other, announce=True), T0, [standing]).plan == other


def test_windows_may_touch_and_take_the_place_of_what_was_called_off_or_ended() -> None:
    standing = announced()
    for span in (Span(T0 + 1, START), Span(END, END + 1)):
        do(None, decisions.schedule(a_plan(*span), announce=True), T0, [standing])
    for state in (State.CANCELLED, State.FINISHED):
        again = a_plan(START + 120, END)
        do(None, decisions.schedule(again, announce=True), START + 90, [in_state(state)])


DECISIONS: dict[Step, Decision] = {
    Step.ANNOUNCE: decisions.announce,
    Step.CHANGE: decisions.change(Changes(title="another")),
    Step.CANCEL: decisions.cancel,
    Step.BEGIN: decisions.begin,
    Step.FINISH: decisions.finish,
}
AT = {
    Step.ANNOUNCE: T0 + 1,
    Step.CHANGE: T0 + 1,
    Step.CANCEL: T0 + 1,
    Step.BEGIN: START,
    Step.FINISH: START,
}


@pytest.mark.parametrize("step", DECISIONS)
@pytest.mark.parametrize("state", State)
def test_every_cell_of_state_and_step(state: State, step: Step) -> None:
    known = in_state(state)
    following = NEXT.get((state, step))
    if following is None:
        with pytest.raises(MaintenanceStateError, match="it cannot be"):
            do(known, DECISIONS[step], AT[step])
    else:
        after = do(known, DECISIONS[step], AT[step])
        assert after.state is following
        assert after.history[:-1] == known.history


def test_a_draft_is_announced_before_its_start_or_not_at_all() -> None:
    assert do(draft(), decisions.announce, START - 0.1).state is State.ANNOUNCED
    with pytest.raises(InputError, match="nobody can be told before it"):
        do(draft(), decisions.announce, START)


def test_once_it_began_only_the_end_moves_and_never_into_the_past() -> None:
    known = announced()
    with pytest.raises(MaintenanceStateError, match="only its end can be changed"):
        changed(known, START, start=START + 60)
    with pytest.raises(InputError, match="is in the past"):
        changed(known, START + 60, end=START + 60)
    assert changed(known, START + 60, end=START + 61).plan.span == Span(START, START + 61)
    assert changed(known, END - 1, end=END + 60).plan.span == Span(START, END + 60)
    with pytest.raises(MaintenanceStateError, match="an extension is announced before the old end"):
        changed(known, END, end=END + 60)


def test_a_start_does_not_move_into_the_past() -> None:
    with pytest.raises(InputError, match=r"the start, .* is in the past"):
        changed(announced(), T0 + 60, start=T0 + 60)
    with pytest.raises(InputError, match="nothing would change"):
        changed(announced(), T0 + 60, start=START)


def test_it_is_called_off_before_it_begins_or_not_at_all() -> None:
    assert do(announced(), decisions.cancel, START).state is State.CANCELLED
    with pytest.raises(MaintenanceStateError, match="had begun"):
        do(announced(), decisions.cancel, START + 0.1)


def test_work_begins_within_what_was_announced() -> None:
    for at in (START - 1, END):
        with pytest.raises(MaintenanceStateError, match="is announced from"):
            do(announced(), decisions.begin, at)


@pytest.mark.parametrize(
    ("state", "at", "looks"),
    [
        (State.DRAFT, START + 1, Condition.DRAFT),
        (State.ANNOUNCED, START - 1, Condition.SCHEDULED),
        (State.ANNOUNCED, START, Condition.IN_PROGRESS),
        (State.ANNOUNCED, END, Condition.OVER),
        (State.UNDER_WAY, END - 1, Condition.IN_PROGRESS),
        (State.UNDER_WAY, END, Condition.OVERRUN),
        (State.FINISHED, END + 1, Condition.FINISHED),
        (State.CANCELLED, START + 1, Condition.CANCELLED),
    ],
)
def test_how_it_looks_at_a_moment(state: State, at: int, looks: Condition) -> None:
    assert condition(in_state(state), at) is looks


def test_a_history_does_not_go_back_when_a_clock_does() -> None:
    known = announced(at=T0)
    assert changed(known, T0 - 500, end=END + 60).history[-1].at_us == known.history[-1].at_us


def test_nobody_can_follow_a_plan_that_changes_forever() -> None:
    known = announced()
    for late in range(1, MAX_CHANGES + 1):
        known = changed(known, T0 + late, end=END + late)
    with pytest.raises(MaintenanceStateError, match="changed 35 times"):
        changed(known, T0 + 99, end=END)
    assert do(known, decisions.cancel, T0 + 99).state is State.CANCELLED
