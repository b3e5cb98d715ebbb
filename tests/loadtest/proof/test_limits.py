"""A Client ID's limit: what a real limiter does passes in any order, what none can do is found."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.proof.limits import Limits, Span, first_too_many, unjustified
from loadtest.records import OVER_THE_LIMIT, Behaviour
from tests.loadtest.proof.history import played, record
from validation.gcra import FRESH, UNLIMITED, Policy, Rate, spend
from validation.status import Status

MS = 1000
RATE = Rate.per_second(10, 3)

SESSIONS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 80), st.integers(0, 80)), max_size=60
)
"""Sent (ms), then so long until it is decided, then so long until it is answered."""


def limiter(sessions: list[tuple[int, int, int]], rate: Rate) -> tuple[list[Span], list[Span]]:
    """Return what a limiter admits and what it refuses."""
    admitted: list[Span] = []
    refused: list[Span] = []
    budget = FRESH
    for sent, before, after in sorted(sessions, key=lambda one: one[0] + one[1]):
        decided_us = 10**9 + (sent + before) * MS
        grant = spend(Policy(rate, UNLIMITED), budget, 1, decided_us)
        budget = grant.budget
        span = Span(decided_us - before * MS, decided_us + after * MS)
        (admitted if grant.granted else refused).append(span)
    return admitted, refused


@given(SESSIONS, st.integers(1, 50), st.integers(1, 20))
def test_whatever_a_limiter_does_is_possible(
    sessions: list[tuple[int, int, int]], per_s: int, burst: int
) -> None:
    rate = Rate.per_second(per_s, burst)
    admitted, refused = limiter(sessions, rate)
    assert first_too_many(admitted, rate) is None
    assert unjustified(refused, admitted, rate) == []


@given(SESSIONS)
def test_a_session_too_many_is_found_when_there_is_no_doubt_about_time(
    sessions: list[tuple[int, int, int]],
) -> None:
    # Decided the moment they were sent: then the limiter itself is the only possible order.
    exact = [(sent, 0, 0) for sent, _, _ in sessions]
    admitted, refused = limiter(exact, RATE)
    for span in refused:
        assert first_too_many([*admitted, span], RATE) is not None


def test_twice_the_limit_is_found_in_spite_of_slow_answers() -> None:
    sessions = [(20 * number, 10, 30) for number in range(200)]
    admitted, _ = limiter(sessions, Rate.per_second(20, 6))
    assert first_too_many(admitted, RATE) is not None


def test_a_refusal_is_wrong_when_nothing_was_spent_for_long() -> None:
    admitted, _ = limiter([(0, 5, 5), (1, 5, 5)], RATE)
    much_later = Span(10**9 + 5000 * MS, 10**9 + 5010 * MS)
    assert unjustified([much_later], admitted, RATE) == [much_later]
    # At the start nobody knows what others spent before.
    first = Span(10**9, 10**9 + 10 * MS)
    assert unjustified([first], admitted, RATE) == []


def test_the_sessions_of_all_users_of_a_client_id_are_counted_together() -> None:
    second_us = 1_000_000
    crowd = [
        record(Status.OK, second_us * 10 + number, behaviour=Behaviour.CROWDED, use=number)
        for number in range(8)
    ]
    refused = record(
        Status.OPERATION_NOT_ALLOWED,
        second_us * 10,
        behaviour=Behaviour.CROWDED,
        code=OVER_THE_LIMIT,
        use=9,
    )
    (result,) = played([*crowd, refused], Limits({7: Rate.per_second(10, 8)}))
    assert (result.violations, result.checked) == (0, 9)
    (result,) = played(crowd, Limits({7: Rate.per_second(10, 7)}))
    assert result.violations == 1
    # Signed and unsigned requests have budgets of their own.
    unsigned = [one._replace(signed=False) for one in crowd[4:]]
    (result,) = played([*crowd[:4], *unsigned], Limits({7: Rate.per_second(10, 4)}))
    assert result.violations == 0
