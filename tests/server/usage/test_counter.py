"""Counting: every answer once, under its client, and never more clients than there is room for."""

from hypothesis import given
from hypothesis import strategies as st

from server.otp.verdict import LimitAdvice, Verdict
from server.usage.counter import UsageCounter
from server.usage.kinds import KINDS, kind_of
from server.usage.ports import NOBODY, OVERFLOW
from validation.status import Status

LIMIT = LimitAdvice("source", 50, 5, 0, 1)

verdicts = st.builds(
    Verdict,
    st.sampled_from(Status),
    st.just(b""),
    st.sampled_from([None, LIMIT]),
    st.none(),
    st.none(),
    st.booleans(),
    st.integers(0, 6),
    st.booleans(),
)


@given(st.lists(verdicts, max_size=60), st.integers(0, 4), st.integers(0, 3))
def test_every_answer_is_counted_once_however_little_room_there_is(
    answers: list[Verdict], room: int, faults: int
) -> None:
    counter = UsageCounter(room)
    for one in answers:
        counter.answered(one)
    for _ in range(faults):
        counter.fault()
    taken = counter.take(room)
    assert len(taken.keys() - {NOBODY, OVERFLOW}) <= room
    expected = dict.fromkeys(KINDS, 0)
    for one in answers:
        expected[kind_of(one)] += 1
    expected["fault"] += faults
    assert [sum(column) for column in zip(*taken.values(), strict=True)] in (
        list(expected.values()),
        [],
    )
    for client_id in taken.keys() - {OVERFLOW}:
        own = [one for one in answers if one.counted_for == client_id]
        assert sum(taken[client_id]) == len(own) + (faults if client_id == NOBODY else 0)
    assert sum(map(sum, taken.values())) == len(answers) + faults
    assert counter.take(room) == {}


def test_requests_of_nobody_always_have_room() -> None:
    counter = UsageCounter(0)
    counter.answered(Verdict(Status.NO_SUCH_CLIENT, b"", None, 77, None, shadowed=False))
    counter.answered(Verdict(Status.OK, b"", None, 5, None, shadowed=False, counted_for=5))
    assert counter.take(0).keys() == {NOBODY, OVERFLOW}
