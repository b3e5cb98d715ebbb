"""Sessions pay once, also when their requests run side by side."""

import asyncio

import pytest

from server.otp.sessions import Session, Sessions
from tests.server.faulty_store import turn
from tests.server.still_clock import StillClock

ONE = Session(1, "otp", "nonce")


async def claim(sessions: Sessions, session: Session) -> bool:
    """Take a session as the verifier does; True when it goes free."""
    await sessions.begin(session)
    return sessions.has_paid(session)


async def test_a_session_that_paid_goes_free_for_a_while() -> None:
    clock = StillClock()
    sessions = Sessions(clock=clock, limit=10)
    assert not sessions.has_paid(ONE)
    assert not sessions.is_known(ONE)
    assert not await claim(sessions, ONE)
    assert sessions.is_known(ONE)
    sessions.settle(ONE, paid=True)
    assert await claim(sessions, ONE)
    sessions.settle(ONE, paid=False)
    assert not await claim(sessions, ONE._replace(nonce="another"))
    assert not await claim(sessions, ONE._replace(client_id=2))
    clock.pass_by(300)
    assert not sessions.has_paid(ONE)
    assert not await claim(sessions, ONE)


async def test_requests_of_one_session_wait_for_the_first_and_go_free_when_it_paid() -> None:
    sessions = Sessions(clock=StillClock(), limit=10)
    assert not await claim(sessions, ONE)
    others = [asyncio.create_task(claim(sessions, ONE)) for _ in range(3)]
    await turn()
    assert not any(other.done() for other in others)
    sessions.settle(ONE, paid=True)
    for waiting in (2, 1, 0):  # repeats that go free go one after the other, too
        await turn()
        assert sum(not other.done() for other in others) == waiting
        sessions.settle(ONE, paid=False)
    assert await asyncio.gather(*others) == [True] * 3
    assert not sessions._deciding


async def test_when_the_first_was_refused_the_next_is_not_let_through_for_nothing() -> None:
    sessions = Sessions(clock=StillClock(), limit=10)
    assert not await claim(sessions, ONE)
    others = [asyncio.create_task(claim(sessions, ONE)) for _ in range(3)]
    await turn()
    for waiting in (2, 1, 0):
        sessions.settle(ONE, paid=False)
        await turn()
        assert sum(not other.done() for other in others) == waiting
    assert [other.result() for other in others] == [False] * 3


async def test_one_that_gives_up_waiting_leaves_the_others_their_turn() -> None:
    sessions = Sessions(clock=StillClock(), limit=10)
    assert not await claim(sessions, ONE)
    others = [asyncio.create_task(claim(sessions, ONE)) for _ in range(3)]
    await turn()
    others[0].cancel()
    sessions.settle(ONE, paid=True)
    others[1].cancel()  # it has its turn already, and does not know yet
    assert await others[2]
    for gone in others[:2]:
        with pytest.raises(asyncio.CancelledError):
            await gone
    sessions.settle(ONE, paid=False)
    assert not sessions._deciding


async def test_memory_is_bounded_and_holds_no_otp_in_sight() -> None:
    sessions = Sessions(clock=StillClock(), limit=5)
    for number in range(20):
        session = ONE._replace(nonce=str(number))
        await claim(sessions, session)
        sessions.settle(session, paid=True)
    assert len(sessions._paid) == 5
    assert not sessions._deciding
    assert "otp" not in repr(ONE)
