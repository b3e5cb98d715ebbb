"""Figures and moments in words: cut so that they never flatter."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pages import words


def test_a_breach_of_less_than_a_second_is_not_rounded_away() -> None:
    september_s = 30 * 86_400
    assert words.percent(1 - Fraction(2593, september_s)) == "99.8999 %"
    assert words.percent(1 - Fraction(2592, september_s)) == "99.9000 %"


@given(st.fractions(0, 1))
def test_a_figure_never_says_more_than_it_is(share: Fraction) -> None:
    said = Fraction(words.percent(share).removesuffix(" %")) / 100
    assert said <= share < said + Fraction(1, 1_000_000)
    roughly = Fraction(words.coverage(share).removesuffix(" %")) / 100
    assert roughly <= share < roughly + Fraction(1, 1000)


def test_what_is_not_known_has_no_figure() -> None:
    assert words.percent(None) == words.coverage(None) == "not known"


@pytest.mark.parametrize(
    ("share", "said"),
    [(Fraction(999, 1000), "99.9 %"), (Fraction(1), "100 %"), (Fraction(9995, 10_000), "99.95 %")],
)
def test_a_target_has_the_decimals_it_needs(share: Fraction, said: str) -> None:
    assert words.target(share) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (Fraction(1, 3), "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (Fraction(12_942, 5), "43 min 9 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3601, "1 h 1 min"),
        (86_400 + 59, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units_and_is_never_told_as_less(
    seconds: Fraction | int, said: str
) -> None:
    assert words.duration(seconds) == said


@given(st.fractions(0, 10**8))
def test_no_duration_is_told_as_less(seconds: Fraction) -> None:
    sizes = {"d": 86_400, "h": 3600, "min": 60, "s": 1}
    parts = words.duration(seconds).split()
    told = sum(
        int(count) * sizes[unit] for count, unit in zip(parts[::2], parts[1::2], strict=True)
    )
    assert seconds <= told <= seconds * 2 + 1


def test_moments_and_windows_are_of_utc() -> None:
    at = 1_795_262_400 * 1_000_000
    assert words.moment(at) == "21 November 2026, 12:00 UTC"
    assert words.clock(at + 5_999_999) == "12:00:05 UTC"
    assert words.stamp(at) == "2026-11-21T12:00:00Z"
    assert words.milliseconds(at) == "2026-11-21T12:00:00.000Z"
    assert words.window(1_795_262_400, 1_795_266_000) == "21 November 2026, 12:00 to 13:00 UTC"
    assert words.window(1_795_262_400, 1_795_352_400) == (
        "21 November 2026, 12:00 to 22 November 2026, 13:00 UTC"
    )


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 11, 1), date(2026, 11, 30), "1 to 30 November 2026"),
        (date(2026, 10, 1), date(2026, 12, 31), "1 October to 31 December 2026"),
        (date(2026, 3, 1), date(2027, 2, 28), "1 March 2026 to 28 February 2027"),
        (date(2026, 3, 1), date(2026, 3, 1), "1 March 2026"),
    ],
)
def test_a_range_of_days_says_each_thing_once(first: date, last: date, said: str) -> None:
    assert words.days(first, last) == said
