"""Whoever is paced stays below the limit, also when a service decides late and all at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.pacer import Pacer, TooSmallError, paced
from validation.gcra import FRESH, UNLIMITED, Policy, Rate, spend

SECOND_US = 1_000_000
STALL_US = 5 * SECOND_US


@given(
    rate=st.integers(1, 2000),
    burst=st.integers(4, 5000),
    processes=st.integers(1, 8),
    pauses=st.lists(st.integers(0, 3 * SECOND_US), min_size=1, max_size=60),
    delays=st.lists(st.integers(0, STALL_US), min_size=1, max_size=60),
)
def test_no_paced_session_is_over_the_limit_whatever_delays_it(
    rate: int, burst: int, processes: int, pauses: list[int], delays: list[int]
) -> None:
    if burst < 4 * processes:
        with pytest.raises(TooSmallError):
            paced(rate, burst, processes)
        return
    pacers = [Pacer(paced(rate, burst, processes)) for _ in range(processes)]
    arrivals = []
    for pacer in pacers:
        now_us = 10**15
        for number, pause_us in enumerate(pauses):
            now_us += pause_us
            while wait_us := pacer.wait_us(now_us):
                now_us += wait_us
            arrivals.append(now_us + delays[number % len(delays)])
    policy = Policy(Rate.per_second(rate, burst), UNLIMITED)
    budget = FRESH
    for arrival_us in sorted(arrivals):
        grant = spend(policy, budget, 1, arrival_us)
        assert grant.granted
        budget = grant.budget


def test_a_paced_client_uses_a_good_part_of_a_generous_limit() -> None:
    pacer = Pacer(paced(100, 1000, 1))
    now_us, sent = 0, 0
    while now_us < 100 * SECOND_US:
        wait_us = pacer.wait_us(now_us)
        now_us += wait_us
        sent += not wait_us
    assert sent >= 100 * 100 * 0.75
