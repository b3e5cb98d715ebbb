"""Sessions: nobody has one by chance, they end, they are few, and a cookie is kept nowhere."""

import pytest

from server.web.sessions import IDLE_S, LIFE_S, MAX_COOKIE, Sessions
from tests.server.still_clock import StillClock


def test_a_cookie_stands_for_the_token_it_was_made_for() -> None:
    sessions = Sessions(clock=StillClock())
    one, other = sessions.begin(1), sessions.begin(2)
    assert (sessions.token_of(one), sessions.token_of(other)) == (1, 2)
    assert one != other
    assert len(one) == 43 <= MAX_COOKIE


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "A" * 10_000, "\udcff", "é"])
def test_what_was_never_given_out_stands_for_nothing(cookie: str) -> None:
    sessions = Sessions(clock=StillClock())
    sessions.begin(1)
    assert sessions.token_of(cookie) is None


def test_a_session_ends_when_nobody_looks_and_after_a_working_day() -> None:
    clock = StillClock()
    sessions = Sessions(clock=clock)
    idle, busy = sessions.begin(1), sessions.begin(1)
    for _ in range(int(LIFE_S / IDLE_S * 2) - 1):
        clock.pass_by(IDLE_S / 2)
        assert sessions.token_of(busy) == 1
    assert sessions.token_of(idle) is None
    clock.pass_by(IDLE_S / 2)
    assert sessions.token_of(busy) is None


def test_the_host_clock_ends_no_session_and_keeps_none() -> None:
    clock = StillClock()
    sessions = Sessions(clock=clock)
    cookie = sessions.begin(1)
    clock.set_wall(10 * LIFE_S)
    assert sessions.token_of(cookie) == 1
    clock.set_wall(-20 * LIFE_S)
    clock.pass_by(IDLE_S)
    assert sessions.token_of(cookie) is None


def test_who_signs_out_has_none_and_others_theirs() -> None:
    sessions = Sessions(clock=StillClock())
    one, other = sessions.begin(1), sessions.begin(1)
    sessions.end(one)
    sessions.end("never there")
    assert (sessions.token_of(one), sessions.token_of(other)) == (None, 1)


def test_there_are_few_and_the_idlest_makes_room() -> None:
    clock = StillClock()
    sessions = Sessions(clock=clock, most=3, most_of_one=2)
    first, second = sessions.begin(1), sessions.begin(1)
    clock.pass_by(1)
    assert sessions.token_of(first) == 1
    third = sessions.begin(1)
    assert [sessions.token_of(one) for one in (first, second, third)] == [1, None, 1]
    clock.pass_by(1)
    assert sessions.token_of(third) == 1
    others = [sessions.begin(number) for number in (2, 3)]
    assert [sessions.token_of(one) for one in (first, third, *others)] == [None, 1, 2, 3]
    clock.pass_by(IDLE_S)
    sessions.begin(4)
    assert len(sessions) == 1  # what ended is not kept


def test_nothing_that_is_kept_opens_anything() -> None:
    sessions = Sessions(clock=StillClock(), random_octets=lambda octets: b"s" * octets)
    cookie = sessions.begin(7)
    assert cookie not in repr(vars(sessions))
    assert b"s" * 32 not in b"".join(sessions._sessions)
