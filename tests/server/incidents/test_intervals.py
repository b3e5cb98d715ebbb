"""Sets of seconds behave as sets, and a month has the seconds that went by in it."""

from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from server.incidents.intervals import Span, length, union, without
from server.incidents.periods import month, quarter, rolling, term

spans = st.lists(
    st.tuples(st.integers(-20, 40), st.integers(-20, 40)).map(
        lambda ends: Span(min(ends), max(ends))
    ),
    max_size=6,
)
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


def seconds(some: list[Span]) -> set[int]:
    """Return every second by itself."""
    return {second for span in some for second in range(span.start, span.end)}


@given(spans)
def test_a_union_holds_the_same_seconds_once_and_in_order(some: list[Span]) -> None:
    merged = union(some)
    assert seconds(merged) == seconds(some)
    assert length(merged) == len(seconds(some))
    assert all(one.end < other.start for one, other in pairwise(merged))


@given(spans, spans)
def test_holes_are_cut_out_exactly(some: list[Span], holes: list[Span]) -> None:
    rest = without(union(some), union(holes))
    assert seconds(rest) == seconds(some) - seconds(holes)
    assert length(rest) == len(seconds(rest))


@given(spans, spans)
def test_what_is_clipped_lies_within(some: list[Span], others: list[Span]) -> None:
    for span in some:
        for other in others:
            assert seconds([span.clipped(other)]) == seconds([span]) & seconds([other])


def test_the_month_in_which_clocks_change_has_an_hour_less_or_more() -> None:
    assert month(2026, 3, LOS_ANGELES).seconds == (31 * 24 - 1) * 3600
    assert month(2026, 11, LOS_ANGELES).seconds == (30 * 24 + 1) * 3600
    assert month(2026, 3).seconds == 31 * 24 * 3600


def test_months_quarters_and_terms_follow_each_other_without_a_gap() -> None:
    for zone in (LOS_ANGELES, ZoneInfo("Europe/Stockholm"), ZoneInfo("UTC")):
        months = [month(2026, number, zone) for number in range(1, 13)]
        quarters = [quarter(2026, number, zone) for number in range(1, 5)]
        whole = term(date(2026, 1, 1), date(2027, 1, 1), zone)
        assert union(months) == union(quarters) == [whole]
    assert rolling(90 * 86_400).seconds == 30 * 86_400
