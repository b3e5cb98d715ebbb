"""The periods that are shown: those that now lies in, by midnights of UTC."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.status.periods import shown_periods, term_at
from server.status.snapshot import PeriodName
from tests.server.status.samples import DAY_S, MONTH, NOW_S, QUARTER, TERM


def test_month_quarter_term_and_thirty_days_of_a_moment() -> None:
    shown = shown_periods(NOW_S, date(2024, 3, 1))
    assert list(shown) == list(PeriodName)
    assert shown[PeriodName.MONTH] == MONTH
    assert shown[PeriodName.QUARTER] == QUARTER
    assert shown[PeriodName.TERM] == TERM
    assert tuple(shown[PeriodName.ROLLING]) == (NOW_S - 30 * DAY_S, NOW_S)


@pytest.mark.parametrize(
    ("today", "first", "end"),
    [
        (date(2026, 2, 28), date(2026, 2, 28), date(2027, 2, 28)),
        (date(2026, 2, 27), date(2025, 2, 28), date(2026, 2, 28)),
        (date(2028, 2, 28), date(2027, 2, 28), date(2028, 2, 29)),
        (date(2028, 2, 29), date(2028, 2, 29), date(2029, 2, 28)),
    ],
)
def test_a_term_of_the_29th_of_february_begins_on_the_months_last_day(
    today: date, first: date, end: date
) -> None:
    span = term_at(today, date(2024, 2, 29))
    assert datetime.fromtimestamp(span.start, UTC).date() == first
    assert datetime.fromtimestamp(span.end, UTC).date() == end


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_every_day_lies_in_one_term_and_terms_follow_each_other(today: date, begins: date) -> None:
    span = term_at(today, begins)
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC).timestamp()
    assert span.start <= noon < span.end
    beyond = datetime.fromtimestamp(span.end, UTC).date()
    assert term_at(beyond, begins).start == span.end
    assert term_at(beyond - timedelta(days=1), begins) == span
