"""What a worker remembers of refusals: little, and not for long."""

from server.otp.blocked import Blocked
from tests.server.still_clock import StillClock


def test_a_refusal_is_remembered_until_the_next_session_is_due() -> None:
    clock = StillClock()
    blocked = Blocked(clock=clock, limit=10)
    blocked.learn(1, 0, 200_000)
    assert blocked.retry_us(1, 0) == 200_000
    assert blocked.retry_us(1, 7) == blocked.retry_us(2, 0) == 0
    clock.pass_by(0.15)
    assert blocked.retry_us(1, 0) == 50_000
    clock.pass_by(0.051)
    assert blocked.retry_us(1, 0) == 0


def test_a_long_refusal_is_asked_again_after_a_second() -> None:
    clock = StillClock()
    blocked = Blocked(clock=clock, limit=10)
    blocked.learn(1, 0, 3_600_000_000)
    clock.pass_by(0.99)
    assert blocked.retry_us(1, 0) == 3_599_010_000
    clock.pass_by(0.02)
    assert blocked.retry_us(1, 0) == 0


def test_nothing_to_wait_for_is_nothing_to_remember() -> None:
    blocked = Blocked(clock=StillClock(), limit=10)
    blocked.learn(1, 0, 0)
    assert blocked.retry_us(1, 0) == 0
    for client_id in range(30):
        blocked.learn(client_id, 0, 1_000)
    assert len(blocked._blocks) == 10
