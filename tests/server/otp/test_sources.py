"""The rate per source address, and who counts as one source."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.otp.sources import SourceLimiter, source_host
from tests.server.still_clock import StillClock
from validation.gcra import FRESH, UNLIMITED, Policy, Rate, spend


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:DB8:0:0::5", "2001:db8::9"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_these_are_one_source(one: str, other: str) -> None:
    assert source_host(one) == source_host(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8:0:1::1", "2001:db8:0:2::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("@unix", "192.0.2.1"),
        ("not:an:address", "not:another"),
    ],
)
def test_these_are_two_sources(one: str, other: str) -> None:
    assert source_host(one) != source_host(other)


def test_a_source_spends_its_own_rate_and_is_told_when_to_come_back() -> None:
    clock = StillClock()
    limiter = SourceLimiter(Rate.per_second(1, 3), clock=clock, limit=10)
    assert [limiter.spend("192.0.2.1") for _ in range(3)] == [None] * 3
    advice = limiter.spend("192.0.2.1")
    assert advice is not None
    assert (advice.policy_name, advice.quota, advice.retry_after_s) == ("source", 3, 1)
    assert limiter.spend("192.0.2.2") is None
    clock.pass_by(1)
    assert limiter.spend("192.0.2.1") is None
    assert limiter.spend("192.0.2.1") is not None


def test_a_whole_ipv6_network_shares_one_rate() -> None:
    limiter = SourceLimiter(Rate.per_second(1, 1), clock=StillClock(), limit=10)
    assert limiter.spend("2001:db8::1") is None
    assert limiter.spend("2001:db8::2") is not None


def test_a_flood_of_addresses_keeps_memory_bounded_and_the_busy_remembered() -> None:
    clock = StillClock()
    limiter = SourceLimiter(Rate.per_second(1, 1), clock=clock, limit=100)
    assert limiter.spend("192.0.2.1") is None
    for number in range(1000):
        limiter.spend(f"10.0.{number // 256}.{number % 256}")
        limiter.spend(f"2001:db8:{number:x}::1")
        assert limiter.spend("192.0.2.1") is not None
    assert len(limiter._arrivals) <= 100
    assert len(limiter._hosts) <= 100


@settings(deadline=None)
@given(st.lists(st.integers(0, 3_000_000), max_size=60), st.integers(1, 50), st.integers(1, 9))
def test_the_arithmetic_is_that_of_the_client_limit(
    waits_us: list[int], rate: int, burst: int
) -> None:
    clock = StillClock()
    limiter = SourceLimiter(Rate.per_second(rate, burst), clock=clock, limit=1)
    policy, budget = Policy(Rate.per_second(rate, burst), UNLIMITED), FRESH
    for wait_us in waits_us:
        clock.pass_by(wait_us / 1_000_000)
        grant = spend(policy, budget, 1, int(clock.monotonic() * 1_000_000))
        budget = grant.budget
        assert (limiter.spend("192.0.2.1") is None) == bool(grant.granted)
