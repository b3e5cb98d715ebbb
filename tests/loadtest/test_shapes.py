"""Shapes begin, rise and end as they are described."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.shapes import Load, Shape


def users(load: Load, share: float) -> int:
    at = load.at(load.duration_s * share)
    assert at is not None
    return at[0]


@given(st.sampled_from(Shape), st.integers(1, 10_000), st.floats(1, 1e6), st.floats(0, 0.999))
def test_there_is_always_somebody_and_never_more_than_asked_for(
    shape: Shape, most: int, duration_s: float, share: float
) -> None:
    load = Load(shape, most, duration_s)
    assert 1 <= users(load, share) <= most
    assert load.at(duration_s) is None


def test_steps_rise_by_a_fifth_each() -> None:
    load = Load(Shape.STEP, 50, 100)
    assert [users(load, share) for share in (0, 0.21, 0.41, 0.61, 0.81)] == [10, 20, 30, 40, 50]


def test_a_spike_is_five_times_what_comes_before_and_after() -> None:
    load = Load(Shape.SPIKE, 50, 100)
    assert [users(load, share) for share in (0, 0.39, 0.41, 0.59, 0.61)] == [10, 10, 50, 50, 10]


@pytest.mark.parametrize("duration_s", [100.0, 86_400.0])
def test_a_soak_starts_slowly_and_then_stays(duration_s: float) -> None:
    load = Load(Shape.SOAK, 50, duration_s)
    ramp_s = min(60.0, duration_s / 10)
    assert users(load, 0) == 1
    assert users(load, ramp_s / duration_s / 2) == 25
    assert users(load, ramp_s / duration_s) == users(load, 0.99) == 50
