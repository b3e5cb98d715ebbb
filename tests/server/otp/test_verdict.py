"""A refusal in whole seconds: a client that obeys is served."""

import pytest

from server.otp.verdict import LimitAdvice, advise, shown_rate
from validation.gcra import UNLIMITED, Policy, Rate


@pytest.mark.parametrize(
    ("rate", "retry_us", "window_s", "retry_after_s"),
    [
        (Rate.per_second(10, 50), 100_000, 5, 1),
        (Rate.per_second(10, 50), 0, 5, 1),
        (Rate.per_second(10, 50), 1_000_001, 5, 2),
        (Rate.per_second(1000, 10), 1, 1, 1),
        (Rate.per_day(24), 3_600_000_000, 86_400, 3600),
    ],
)
def test_seconds_are_rounded_up_and_never_zero(
    rate: Rate, retry_us: int, window_s: int, retry_after_s: int
) -> None:
    advice = advise("default", rate, remaining=0, retry_us=retry_us)
    assert advice == LimitAdvice("default", rate.burst, window_s, 0, retry_after_s)


def test_a_client_with_a_daily_limit_only_is_told_of_that() -> None:
    day = Rate.per_day(100)
    assert shown_rate(Policy(UNLIMITED, day)) == day
    assert shown_rate(Policy(Rate.per_second(1, 1), day)) == Rate.per_second(1, 1)
