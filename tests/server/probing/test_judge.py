"""What two answers prove: only the right OK, and then the right replay, is good."""

import pytest

from server.probing.finding import Outcome
from server.probing.judge import Exchange, Heard, Judgement, Silence, is_accepted, judge
from validation.answer import Answer, compose
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

KEY, STRANGE = ApiKey(b"k" * 20), ApiKey(b"s" * 20)
OTP, OTHER_OTP = "vv" + "c" * 42, "vv" + "b" * 42
ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32


def told(
    status: Status,
    nonce: str,
    *,
    otp: str | None = OTP,
    echo: str | None = None,
    key: ApiKey = KEY,
    http_status: int = 200,
) -> Heard:
    answer = Answer(status, 1_000_000, otp, nonce if echo is None else echo or None)
    return Heard(http_status, compose(answer, key))


def first(heard: Heard | Silence) -> Exchange:
    return Exchange(OTP, ONE, heard)


def second(heard: Heard | Silence) -> Exchange:
    return Exchange(OTP, TWO, heard)


OK = first(told(Status.OK, ONE))
REPLAY = second(told(Status.REPLAYED_OTP, TWO))


def test_an_ok_and_then_a_replay_is_good() -> None:
    assert is_accepted(OK, KEY)
    assert judge(OK, REPLAY, KEY) == Judgement(Outcome.GOOD)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.OK}))
def test_any_other_first_answer_is_bad(status: Status) -> None:
    exchange = first(told(status, ONE))
    assert not is_accepted(exchange, KEY)
    assert judge(exchange, REPLAY, KEY).outcome is Outcome.BAD
    assert judge(exchange, None, KEY).why == f"first answer: {status} where OK was due"


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.REPLAYED_OTP}))
def test_any_other_second_answer_is_bad_an_ok_above_all(status: Status) -> None:
    judgement = judge(OK, second(told(status, TWO)), KEY)
    assert judgement.outcome is Outcome.BAD
    assert judgement.why.startswith("second answer: ")


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        (told(Status.OK, ONE, key=STRANGE), "not signed with our API key"),
        (told(Status.OK, ONE, key=EMPTY_KEY), "not signed with our API key"),
        (told(Status.OK, ONE, echo=TWO), "another nonce than ours"),
        (told(Status.OK, ONE, echo=""), "another nonce than ours"),
        (told(Status.OK, ONE, otp=OTHER_OTP), "another OTP than ours"),
        (told(Status.OK, ONE, otp=None), "another OTP than ours"),
        (told(Status.OK, ONE, http_status=500), "HTTP 500"),
        (told(Status.OK, ONE, http_status=302), "HTTP 302"),
        (Heard(200, b""), "not signed with our API key"),
        (Heard(200, b"\xff\x00status=OK"), "not signed with our API key"),
        (Silence.LATE, "no answer in time"),
        (Silence.UNREACHABLE, "no connection"),
    ],
)
def test_an_ok_counts_with_signature_nonce_and_otp_alone(heard: Heard | Silence, why: str) -> None:
    assert not is_accepted(first(heard), KEY)
    assert judge(first(heard), REPLAY, KEY) == Judgement(Outcome.BAD, f"first answer: {why}")


def test_a_replay_that_is_forged_or_of_another_nonce_is_bad() -> None:
    for heard in (
        told(Status.REPLAYED_OTP, TWO, key=STRANGE),
        told(Status.REPLAYED_OTP, TWO, echo=ONE),
        told(Status.REPLAYED_OTP, TWO, otp=OTHER_OTP),
        Silence.BROKEN,
    ):
        assert judge(OK, second(heard), KEY).outcome is Outcome.BAD


def test_a_second_that_was_not_asked_or_asks_something_else_proves_nothing() -> None:
    same_nonce = Exchange(OTP, ONE, told(Status.REPLAYED_OTP, ONE))
    other_otp = Exchange(OTHER_OTP, TWO, told(Status.REPLAYED_OTP, TWO, otp=OTHER_OTP))
    for exchange in (None, same_nonce, other_otp):
        assert judge(OK, exchange, KEY).outcome is Outcome.BAD


def test_over_a_limit_says_nothing_about_the_service() -> None:
    limited = told(Status.OPERATION_NOT_ALLOWED, ONE, http_status=429)
    assert judge(first(limited), None, KEY).outcome is Outcome.EXCLUDED
    assert judge(OK, second(limited), KEY).outcome is Outcome.EXCLUDED
