"""A clock that jumps makes minutes unknown; one that drifts or is slewed does not."""

from hypothesis import given
from hypothesis import strategies as st

from server.probing.clockwatch import (
    MINUTE_US,
    TOLERATED_US,
    WHOLE_US,
    Look,
    Unknown,
    jump,
)
from server.probing.gaps import silence

T0 = 1_795_262_400_000_000
S = 1_000_000


def leap(leap_us: int, passed_s: float = 30.0) -> list[Unknown]:
    return jump(Look(T0, 5.0), Look(T0 + round(passed_s * S) + leap_us, 5.0 + passed_s))


def test_small_corrections_are_none() -> None:
    for leap_us in (0, TOLERATED_US, -TOLERATED_US):
        assert leap(leap_us) == []


def test_a_leap_forward_leaves_all_between_unknown() -> None:
    assert leap(3_600 * S) == [Unknown(T0, T0 + 3_630 * S)]


def test_a_leap_back_leaves_all_that_comes_again_unknown() -> None:
    assert leap(-3_600 * S) == [Unknown(T0 - 3_570 * S, T0 + 30 * S)]


def test_another_year_leaves_both_moments_unknown_and_not_the_year() -> None:
    year_us = 365 * 86_400 * S
    end = T0 + 30 * S
    assert leap(year_us) == [Unknown(T0, end), Unknown(end + year_us, end + year_us)]
    assert leap(-year_us) == [Unknown(T0, end), Unknown(end - year_us, end - year_us)]


@given(st.integers(-WHOLE_US, WHOLE_US), st.integers(0, 3_600))
def test_the_times_before_and_after_are_never_in_a_minute_that_holds(
    leap_us: int, passed_s: int
) -> None:
    found = leap(leap_us, passed_s)
    if abs(leap_us) > TOLERATED_US:
        now_us = T0 + passed_s * S + leap_us
        assert any(span.touches(T0, T0) for span in found)
        assert any(span.touches(now_us, now_us) for span in found)
    else:
        assert not found


def test_what_shares_a_minute_touches_and_what_does_not_does_not() -> None:
    minute = T0 // MINUTE_US * MINUTE_US
    span = Unknown(minute + 30 * S, minute + 40 * S)
    assert span.touches(minute, minute)
    assert span.touches(minute - 1, minute + 1)
    assert not span.touches(minute - 2, minute - 1)
    assert not span.touches(minute + MINUTE_US, minute + MINUTE_US)


def test_a_silence_is_the_whole_minutes_between_two_rounds() -> None:
    minute = T0 // MINUTE_US * MINUTE_US
    assert silence(minute + 5, minute + MINUTE_US + 5) is None
    assert silence(minute + 5, minute + 3 * MINUTE_US) == Unknown(
        minute + MINUTE_US, minute + 3 * MINUTE_US - 1
    )


@given(st.integers(0, 10**15), st.integers(0, 10**10))
def test_no_minute_of_a_round_is_silent(last_us: int, passed_us: int) -> None:
    span = silence(last_us, last_us + passed_us)
    if span is not None:
        assert not span.touches(last_us, last_us)
        assert not span.touches(last_us + passed_us, last_us + passed_us)
        assert last_us < span.start_us <= span.end_us < last_us + passed_us
