"""A plan's term is twelve months, and a day that the last month lacks is its last one."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accounts.customer_ports import Plan
from server.accounts.plan_term import plan_from
from server.accounts.text import InputError


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (date(2026, 2, 15), date(2027, 2, 15)),
        (date(2028, 2, 29), date(2029, 2, 28)),
        (date(2027, 2, 28), date(2028, 2, 28)),
        (date(2026, 12, 31), date(2027, 12, 31)),
    ],
)
def test_a_term_ends_twelve_months_later(begins: date, ends: date) -> None:
    assert plan_from(begins) == Plan(begins, ends)


@given(st.dates(max_value=date(9998, 12, 31)))
def test_every_term_has_a_year_of_days(begins: date) -> None:
    assert (plan_from(begins).ends - begins).days in {365, 366}


def test_a_term_of_another_length_is_taken_as_it_is_said() -> None:
    assert plan_from(date(2026, 1, 1), date(2029, 1, 1)).ends == date(2029, 1, 1)


@pytest.mark.parametrize("ends", [date(2026, 1, 1), date(2025, 12, 31)])
def test_a_term_that_ends_before_it_begins_is_refused(ends: date) -> None:
    with pytest.raises(InputError, match="must end after"):
        plan_from(date(2026, 1, 1), ends)


def test_a_term_beyond_all_calendars_is_refused() -> None:
    with pytest.raises(InputError, match="9998"):
        plan_from(date.max)
