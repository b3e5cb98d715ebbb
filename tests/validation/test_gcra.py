"""Rate arithmetic: exact bursts, exact rates, and clocks that jump."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.gcra import FRESH, UNLIMITED, Budget, Grant, Policy, Rate, spend

NOW_US = 1_795_262_400_000_000
SECOND_US = 1_000_000

TEN_A_SECOND = Policy(Rate.per_second(10, burst=50), UNLIMITED)

RATES = st.builds(
    Rate.per_second, st.integers(1, 2_000_000), burst=st.integers(1, 10_000)
) | st.builds(Rate.per_day, st.integers(1, 10**12))
POLICIES = st.builds(Policy, RATES, RATES | st.just(UNLIMITED))
TATS = st.integers(0, 4 * NOW_US)
BUDGETS = st.builds(Budget, TATS, TATS)
MOMENTS = st.integers(0, 4 * NOW_US)


def test_the_default_limit_in_numbers() -> None:
    assert Rate.per_second(10, burst=50) == Rate(step_us=100_000, slack_us=4_900_000)
    assert Rate.per_day(1000) == Rate(step_us=86_400_000, slack_us=86_313_600_000)


@pytest.mark.parametrize(("rate", "step_us"), [(3, 333_333), (10**6, 1), (10**9, 1)])
def test_steps_are_whole_microseconds_in_the_clients_favour(rate: int, step_us: int) -> None:
    assert Rate.per_second(rate, burst=1) == Rate(step_us, 0)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_a_limit_that_admits_nothing_is_refused(rate: int, burst: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Rate.per_second(rate, burst)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_rate_knows_its_burst(rate: int, burst: int) -> None:
    assert Rate.per_second(rate, burst).burst == burst


def test_a_fresh_budget_admits_exactly_the_burst() -> None:
    grant = spend(TEN_A_SECOND, FRESH, 500, NOW_US)
    assert grant == Grant(50, Budget(NOW_US + 5 * SECOND_US, NOW_US + 50), 0, 100_000)


def test_one_by_one_is_the_same_as_at_once() -> None:
    budget, left = FRESH, []
    for _ in range(50):
        granted, budget, remaining, _ = spend(TEN_A_SECOND, budget, 1, NOW_US)
        assert granted == 1
        left.append(remaining)
    assert left == list(range(49, -1, -1))
    assert spend(TEN_A_SECOND, budget, 1, NOW_US) == Grant(0, budget, 0, 100_000)


def test_the_retry_time_is_exact() -> None:
    budget = spend(TEN_A_SECOND, FRESH, 50, NOW_US).budget
    assert spend(TEN_A_SECOND, budget, 1, NOW_US + 99_999) == Grant(0, budget, 0, 1)
    assert spend(TEN_A_SECOND, budget, 1, NOW_US + 100_000).granted == 1


def test_the_rate_is_sustained_exactly() -> None:
    budget, admitted = FRESH, 0
    for tick in range(1000):  # ten seconds in steps of 10 ms, always asking for more
        granted, budget, _, _ = spend(TEN_A_SECOND, budget, 7, NOW_US + tick * 10_000)
        admitted += granted
    assert admitted == 50 + 99


def test_both_limits_must_admit() -> None:
    policy = Policy(Rate.per_second(10, burst=50), Rate.per_day(5))
    grant = spend(policy, FRESH, 9, NOW_US)
    assert (grant.granted, grant.remaining) == (5, 0)
    assert grant.retry_us == 86_400_000_000 // 5


def test_asking_for_nothing_changes_nothing() -> None:
    assert spend(TEN_A_SECOND, FRESH, 0, NOW_US) == Grant(0, FRESH, 50, 0)


def test_no_limit_is_no_limit() -> None:
    policy = Policy(UNLIMITED, UNLIMITED)
    budget = FRESH
    for _ in range(100):
        granted, budget, remaining, retry_us = spend(policy, budget, 10**9, NOW_US)
        assert (granted, retry_us) == (10**9, 0)
        assert remaining > 10**9


@pytest.mark.parametrize("jump_s", [3600, 10 * 365 * 86_400])
def test_s21_a_clock_that_jumped_forward_and_back_blocks_nobody(jump_s: int) -> None:
    later_us = NOW_US + jump_s * SECOND_US
    budget = spend(TEN_A_SECOND, FRESH, 50, later_us).budget
    grant = spend(TEN_A_SECOND, budget, 5, NOW_US)
    assert grant.granted == 1  # as if the burst had just been spent, but for one
    assert grant.retry_us == 100_000


@given(POLICIES, BUDGETS, st.integers(0, 10**6), MOMENTS)
def test_a_grant_is_always_sane(policy: Policy, budget: Budget, wanted: int, now_us: int) -> None:
    granted, after, remaining, retry_us = spend(policy, budget, wanted, now_us)
    assert 0 <= granted <= wanted
    assert remaining >= 0
    assert retry_us >= 0
    assert (remaining == 0) == (retry_us > 0)
    assert after.burst_tat_us >= 0
    assert after.day_tat_us >= 0
    if not granted:
        assert after == budget
    if granted < wanted:
        assert remaining == 0
    # What comes next agrees with what was announced.
    assert spend(policy, after, remaining + 1, now_us).granted == remaining
    assert spend(policy, after, 1, now_us + retry_us).granted == 1


@given(POLICIES, BUDGETS, st.integers(0, 2000), st.integers(0, 2000), MOMENTS)
def test_a_batch_is_admitted_as_its_entries_would_be(
    policy: Policy, budget: Budget, first: int, second: int, now_us: int
) -> None:
    together = spend(policy, budget, first + second, now_us)
    one = spend(policy, budget, first, now_us)
    two = spend(policy, one.budget, second, now_us)
    assert one.granted + two.granted == together.granted
    assert two._replace(granted=together.granted) == together


@given(
    st.integers(1, 1000),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 3 * SECOND_US), st.integers(0, 200)), max_size=30),
)
def test_no_window_admits_more_than_rate_and_burst(
    rate: int, burst: int, visits: list[tuple[int, int]]
) -> None:
    policy = Policy(Rate.per_second(rate, burst), UNLIMITED)
    budget, now_us, admitted = FRESH, NOW_US, 0
    for pause_us, wanted in visits:
        now_us += pause_us
        granted, budget, _, _ = spend(policy, budget, wanted, now_us)
        admitted += granted
    assert admitted <= burst + (now_us - NOW_US) // policy.burst.step_us


@given(RATES, st.integers(0, 10**6), MOMENTS)
def test_integers_stay_within_what_sql_holds(rate: Rate, wanted: int, now_us: int) -> None:
    policy = Policy(rate, UNLIMITED)
    after = spend(policy, FRESH, wanted, now_us).budget
    assert max(after) + max(rate.slack_us, UNLIMITED.slack_us) + rate.step_us < 2**63
