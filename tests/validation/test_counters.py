"""Counters order OTPs; the phishing test notices those that were held back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.counters import is_delayed, is_fresh

SECOND_US = 1_000_000
START_US = 1_763_800_000 * SECOND_US
WRAP = 1 << 24

SESSIONS = st.integers(-1, 0x7FFF)
USES = st.integers(-1, 0xFF)


@pytest.mark.parametrize(
    ("stored", "offered", "fresh"),
    [
        ((-1, -1), (0, 0), True),
        ((5, 9), (5, 10), True),
        ((5, 9), (5, 9), False),
        ((5, 9), (5, 8), False),
        ((5, 9), (6, 0), True),
        ((5, 9), (4, 255), False),
    ],
)
def test_s5_an_otp_is_fresh_when_its_pair_is_greater(
    stored: tuple[int, int], offered: tuple[int, int], *, fresh: bool
) -> None:
    assert is_fresh(stored, offered) is fresh


@given(SESSIONS, USES, SESSIONS, USES)
def test_of_two_different_otps_exactly_one_is_fresh_after_the_other(
    session: int, use: int, other_session: int, other_use: int
) -> None:
    one, other = (session, use), (other_session, other_use)
    assert is_fresh(one, other) + is_fresh(other, one) == (one != other)


def delayed_after(elapsed_s: float, counted_s: float, *, session: int = 7, clock: int = 0) -> bool:
    """Judge an OTP made `counted_s` after a stored one of session 7, and sent `elapsed_s` after."""
    return is_delayed(
        7,
        clock,
        START_US,
        session,
        (clock + round(counted_s * 8)) % WRAP,
        START_US + round(elapsed_s * SECOND_US),
    )


@pytest.mark.parametrize(
    ("elapsed_s", "counted_s", "delayed"),
    [
        (10, 10, False),
        (0, 0, False),
        (0, 20, False),  # at both edges of 20 s
        (20, 0, False),
        (0, 21, True),
        (21, 0, True),  # held back for 21 s right after the stored one
        (100, 70, False),  # 30 % and not more
        (100, 69.875, True),
        (100, 130, False),
        (100, 130.125, True),
        (60, 41, False),  # more than 30 %, but within 20 s
        (3600, 3000, False),
        (3600, 60, True),
        (-3600, 10, False),  # the server's clock went back: nothing is known
    ],
)
def test_the_reference_servers_tolerances(
    elapsed_s: float, counted_s: float, *, delayed: bool
) -> None:
    assert delayed_after(elapsed_s, counted_s) is delayed


@given(st.integers(0, WRAP - 1))
def test_a_wrapping_key_clock_is_understood(clock: int) -> None:
    assert not delayed_after(600, 600, clock=clock)
    assert delayed_after(600, 10, clock=clock)


@given(st.integers(0, 10), st.integers(0, WRAP - 1))
def test_a_key_that_stays_plugged_in_for_months_is_not_delayed(wraps: int, ticks: int) -> None:
    counted_s = ticks / 8
    assert not delayed_after(wraps * WRAP / 8 + counted_s, counted_s)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_session_is_never_delayed(elapsed_s: int, counted_s: int) -> None:
    assert not delayed_after(elapsed_s, counted_s, session=8)
