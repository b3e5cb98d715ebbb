"""Lock-out by source: bounded, per network, forgiven in time."""

import pytest

from server.web.lockout import Lockout
from tests.server.still_clock import StillClock


def lockout(clock: StillClock, *, sources: int = 100) -> Lockout:
    return Lockout(attempts=3, lockout_s=60, clock=clock, sources=sources)


def test_one_wrong_token_beyond_the_allowed_locks_a_source_out_for_the_time() -> None:
    clock = StillClock()
    door = lockout(clock)
    assert [door.wrong("192.0.2.1") for _ in range(4)] == [False, False, False, True]
    assert door.wait_s("192.0.2.1") == 60
    assert door.wait_s("192.0.2.2") == 0
    clock.pass_by(59)
    assert door.wait_s("192.0.2.1") == 1
    clock.pass_by(1)
    assert door.wait_s("192.0.2.1") == 0


def test_wrong_tokens_are_forgiven_one_by_one() -> None:
    clock = StillClock()
    door = lockout(clock)
    for _ in range(50):
        assert not door.wrong("192.0.2.1")
        clock.pass_by(20)
    for _ in range(3):
        assert not door.wrong("192.0.2.1")
    assert door.wrong("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_network_of_ipv6_is_one_source(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    door = lockout(StillClock())
    for _ in range(4):
        door.wrong(one)
    assert (door.wait_s(other) > 0) is same


def test_no_number_of_sources_grows_it() -> None:
    door = lockout(StillClock(), sources=10)
    for number in range(1000):
        for _ in range(4):
            door.wrong(f"192.0.2.{number}")
    assert len(door._ends) == len(door._arrivals) == 10
