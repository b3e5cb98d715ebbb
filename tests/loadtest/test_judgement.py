"""The load test sees a wrong answer whatever its HTTP code says, and tells danger from failure."""

import pytest

from loadtest.clients import Client
from loadtest.judgement import SILENCE, Grade, Heard, grade, hear
from loadtest.question import (
    Pressed,
    Question,
    ask,
    ask_as_nobody,
    ask_malformed,
    ask_with_a_wrong_signature,
)
from loadtest.records import NEVER_OK, UNREADABLE, Behaviour
from validation.answer import Answer, compose
from validation.request import MalformedRequest, Protocol, VerifyRequest, parse_request
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

KEY = ApiKey(b"the client's own")
CLIENT = Client(7, KEY)
OTP = Pressed("cccccccccccb" + "c" * 32, "cccccccccccb", (1, 2))
NONCE = "n" * 16
FRESH = ask(Behaviour.VALID, CLIENT, OTP, NONCE, Status.OK, signed=True)
REPLAYED = ask(Behaviour.REPLAYED, CLIENT, OTP, NONCE, Status.REPLAYED_OTP, signed=True)
CROWDED = ask(Behaviour.CROWDED, CLIENT, OTP, NONCE, Status.OK, signed=True)


def answer(status: Status, *, otp: str = OTP.text, nonce: str = NONCE, key: ApiKey = KEY) -> bytes:
    return compose(Answer(status, 1_700_000_000_123_000, otp, nonce, 100), key)


def judged(question: Question, code: int, body: bytes, *, tolerant: bool = False) -> Grade:
    return grade(question, hear(question, code, body), tolerant=tolerant)


def test_the_expected_answer_is_right() -> None:
    assert judged(FRESH, 200, answer(Status.OK)) is Grade.RIGHT
    assert judged(REPLAYED, 200, answer(Status.REPLAYED_OTP)) is Grade.RIGHT


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.OK}))
def test_every_other_status_for_a_fresh_otp_is_a_violation(status: Status) -> None:
    assert judged(FRESH, 200, answer(status)) is Grade.NONE_FOR_OK


@pytest.mark.parametrize("behaviour", sorted(NEVER_OK))
@pytest.mark.parametrize("code", [200, 429, 500])
@pytest.mark.parametrize("key", [KEY, ApiKey(b"another")], ids=["signed", "forged"])
def test_ok_where_it_may_never_be_is_a_violation_also_when_it_is_badly_signed(
    behaviour: Behaviour, code: int, key: ApiKey
) -> None:
    question = REPLAYED._replace(behaviour=behaviour)
    assert judged(question, code, answer(Status.OK, key=key)) is Grade.OK_FOR_NONE


def test_ok_somewhere_in_a_broken_answer_counts_where_it_is_a_danger() -> None:
    for body in (b"status=OK", b"status=BAD_OTP\r\nstatus=OK\r\n", b"\xff\nstatus=OK\n"):
        assert judged(REPLAYED, 200, body) is Grade.OK_FOR_NONE
        assert judged(FRESH, 200, body) is Grade.NONE_FOR_OK


def test_an_answer_that_a_careful_client_refuses_is_no_ok_for_a_valid_otp() -> None:
    forged = answer(Status.OK, key=ApiKey(b"another"))
    other_nonce, other_otp = answer(Status.OK, nonce="m" * 16), answer(Status.OK, otp="d" * 44)
    for code, body in [
        (200, forged),
        (200, other_nonce),
        (200, other_otp),
        (500, answer(Status.OK)),
        (429, answer(Status.OK)),
        (200, b""),
        (200, b"\xff" * 40),
    ]:
        assert judged(FRESH, code, body) is Grade.NONE_FOR_OK


def test_a_text_that_is_no_answer_is_unreadable() -> None:
    for body in (b"", b"<html>", b"status=FINE\r\n"):
        assert hear(FRESH, 200, body) == Heard(200, UNREADABLE, genuine=False)


def test_over_the_limit_is_right_only_where_it_was_meant_to_be_reached() -> None:
    limited = answer(Status.OPERATION_NOT_ALLOWED)
    assert judged(CROWDED, 429, limited) is Grade.LIMITED
    assert judged(FRESH, 429, limited) is Grade.NONE_FOR_OK
    assert judged(REPLAYED, 429, limited) is Grade.WRONG
    # A disabled client is refused with 200: 429 would mean that it was limited.
    disabled = ask(Behaviour.REFUSED, CLIENT, OTP, NONCE, Status.OPERATION_NOT_ALLOWED, signed=True)
    assert judged(disabled, 200, limited) is Grade.RIGHT
    assert judged(disabled, 429, limited) is Grade.WRONG


@pytest.mark.parametrize("behaviour", [Behaviour.CROWDED, Behaviour.RACED])
def test_a_valid_otp_is_called_nothing_else_over_the_limit_or_in_a_race(
    behaviour: Behaviour,
) -> None:
    question = CROWDED._replace(behaviour=behaviour, may_be_limited=False)
    assert judged(question, 200, answer(Status.BAD_OTP)) is Grade.NONE_FOR_OK
    assert judged(question, 200, answer(Status.BACKEND_ERROR)) is Grade.WRONG


def test_after_silence_one_may_ask_once_more_and_not_for_ever() -> None:
    assert grade(FRESH, SILENCE, tolerant=False) is Grade.SILENT
    late = FRESH._replace(
        behaviour=Behaviour.REPEATED,
        expected=frozenset({Status.OK, Status.REPLAYED_REQUEST}),
    )
    assert judged(late, 200, answer(Status.REPLAYED_REQUEST)) is Grade.RIGHT
    assert judged(late, 200, answer(Status.REPLAYED_OTP)) is Grade.NONE_FOR_OK
    assert grade(late, SILENCE, tolerant=False) is Grade.NONE_FOR_OK
    assert grade(late, SILENCE, tolerant=True) is Grade.SILENT


def test_unavailability_is_tolerated_only_on_request() -> None:
    broken = answer(Status.BACKEND_ERROR)
    assert judged(FRESH, 200, broken) is Grade.NONE_FOR_OK
    assert judged(FRESH, 200, broken, tolerant=True) is Grade.WRONG
    assert judged(FRESH, 200, answer(Status.BAD_OTP), tolerant=True) is Grade.NONE_FOR_OK


def parsed(question: Question) -> VerifyRequest | MalformedRequest:
    return parse_request(question.target.partition("?")[2], Protocol.V2)


def test_a_signed_request_verifies_and_an_unsigned_one_has_no_signature() -> None:
    signed = parsed(FRESH)
    assert isinstance(signed, VerifyRequest)
    assert KEY.verifies(signed.signed_line, signed.signature)
    assert (signed.client_id, signed.otp.text, signed.nonce) == (7, OTP.text, NONCE)
    plain = parsed(ask(Behaviour.VALID, CLIENT, OTP, NONCE, Status.OK, signed=False))
    assert isinstance(plain, VerifyRequest)
    assert plain.signature == ""


def test_requests_that_must_be_refused_are_wrong_in_one_way_only() -> None:
    wrong = parsed(ask_with_a_wrong_signature(CLIENT, OTP, NONCE))
    assert isinstance(wrong, VerifyRequest)
    assert wrong.signature
    assert not KEY.verifies(wrong.signed_line, wrong.signature)
    malformed = ask_malformed(CLIENT, OTP)
    refused = parsed(malformed)
    assert isinstance(refused, MalformedRequest)
    assert (refused.status, refused.otp, refused.nonce) == (
        Status.MISSING_PARAMETER,
        OTP.text,
        None,
    )
    body = compose(Answer(refused.status, 0, refused.otp, refused.nonce), KEY)
    assert judged(malformed, 200, body) is Grade.RIGHT
    nobody = ask_as_nobody(9_000_000_001, OTP, NONCE)
    body = answer(Status.NO_SUCH_CLIENT, key=EMPTY_KEY)
    assert judged(nobody, 200, body) is Grade.RIGHT
