"""Quantiles are those of a sorted list, to ten microseconds."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.proof.latencies import Latencies


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=200), st.floats(0.01, 1))
def test_a_quantile_is_not_exceeded_by_its_share_of_the_answers(
    took_us: list[int], share: float
) -> None:
    latencies = Latencies()
    for each in took_us:
        latencies.add(each)
    quantile_us = latencies.quantile_us(share)
    assert sum(each < quantile_us for each in took_us) >= share * len(took_us)
    assert sum(each < quantile_us - 10 for each in took_us) < share * len(took_us)
    assert latencies.count == len(took_us)


def test_nothing_answered_has_no_latency() -> None:
    assert Latencies().quantile_us(0.99) == 0
