"""An erased step bears on a period wherever the steps that are left do not settle what it said."""

from fractions import Fraction

import pytest

from server.incidents.components import Component
from server.incidents.intervals import Span
from server.incidents.record import Amendment, Confirmation, Detail, Loss, Record, Step
from server.reports.erasures import Taken, could_bear, erased
from tests.server.incidents.histories import EVE, OPENED_US, opening

OPENED_S = OPENED_US // 1_000_000
BEFORE = Span(OPENED_S - 86_400, OPENED_S - 3600)
DURING = Span(OPENED_S, OPENED_S + 60)
AFTER = Span(OPENED_S + 3600, OPENED_S + 7200)
GONE = None


def told(*steps: Record | None) -> list[Taken]:
    """Return a history in which each step was taken a minute after the one before."""
    return [Taken(10 + at, OPENED_US + at * 60_000_000, one) for at, one in enumerate(steps)]


def taken(step: Step, detail: Detail = None) -> Record:
    return Record(step, OPENED_US, EVE, "", detail)


def confirmed(*losses: Loss) -> Record:
    return taken(Step.CONFIRMED, Confirmation(losses))


def bears(*steps: Record | None) -> tuple[bool, bool, bool]:
    """Return whether it could bear on what was before, during and after."""
    history = told(opening(), *steps)
    one, two, three = (
        could_bear(history, Component.VALIDATION, span) for span in (BEFORE, DURING, AFTER)
    )
    return one, two, three


ACKNOWLEDGED, RESOLVED = taken(Step.ACKNOWLEDGED), taken(Step.RESOLVED)
DISMISSED, REOPENED = taken(Step.DISMISSED), taken(Step.REOPENED)


def test_nothing_erased_bears_on_nothing() -> None:
    assert bears(ACKNOWLEDGED, confirmed(Loss(OPENED_S, None, Fraction(1)))) == (False,) * 3
    assert erased(told(opening(), GONE, RESOLVED, GONE)) == [11, 13]


def test_an_erased_step_may_have_confirmed_anything_before_and_with_an_open_end() -> None:
    assert bears(ACKNOWLEDGED, GONE) == (True,) * 3


@pytest.mark.parametrize("end", [RESOLVED, taken(Step.REPORTED)])
def test_what_was_resolved_since_has_lost_nothing_afterwards(end: Record) -> None:
    assert bears(ACKNOWLEDGED, GONE, end) == (True, True, False)
    assert bears(ACKNOWLEDGED, end, GONE) == (True,) * 3
    assert bears(ACKNOWLEDGED, GONE, end, REOPENED) == (True,) * 3


def test_what_was_dismissed_since_does_not_count() -> None:
    assert bears(GONE, DISMISSED) == (False,) * 3
    assert bears(GONE, DISMISSED, REOPENED) == (True,) * 3


def test_what_was_confirmed_since_replaces_what_was_erased() -> None:
    short = confirmed(Loss(OPENED_S, OPENED_S + 30, Fraction(1)))
    assert bears(ACKNOWLEDGED, GONE, short) == (False, True, False)
    assert bears(ACKNOWLEDGED, short, GONE) == (True,) * 3
    assert bears(GONE, confirmed(Loss(OPENED_S, None, Fraction(1)))) == (False, True, True)


def test_for_whom_an_amendment_counts_may_be_erased() -> None:
    amended = taken(Step.AMENDED, Amendment(OPENED_S, OPENED_S + 30, Fraction(0)))
    assert bears(GONE, amended, DISMISSED) == (False, True, False)


def test_an_incident_of_something_else_bears_only_when_that_is_not_known() -> None:
    assert not could_bear(told(opening(), GONE), Component.UPLOAD, DURING)
    assert could_bear(told(GONE, GONE), Component.UPLOAD, DURING)
    assert not could_bear(told(GONE), Component.VALIDATION, Span(OPENED_S, OPENED_S))
