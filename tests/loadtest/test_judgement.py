"""The load test counts a wrong answer as a failure, whatever its HTTP code says."""

from loadtest.judgement import Question, complaint
from validation.answer import Answer, compose
from validation.signature import ApiKey
from validation.status import Status

KEY = ApiKey(b"the client's own")
FRESH = Question("cccccccccccb" + "c" * 32, "n" * 16, Status.OK)


def answer(status: Status, *, otp: str = FRESH.otp, nonce: str = FRESH.nonce) -> bytes:
    return compose(Answer(status, 1_700_000_000_123_000, otp, nonce, 100), KEY)


def test_the_expected_answer_is_no_reason_to_complain() -> None:
    assert complaint(FRESH, 200, answer(Status.OK), KEY) is None
    replayed = FRESH._replace(expected=Status.REPLAYED_OTP)
    assert complaint(replayed, 200, answer(Status.REPLAYED_OTP), KEY) is None


def test_every_other_status_for_a_fresh_otp_is_a_failure() -> None:
    for status in set(Status) - {Status.OK}:
        assert complaint(FRESH, 200, answer(status), KEY) == f"{status} instead of OK"


def test_ok_for_a_replay_is_a_failure() -> None:
    replayed = FRESH._replace(expected=Status.REPLAYED_OTP)
    assert complaint(replayed, 200, answer(Status.OK), KEY) == "OK instead of REPLAYED_OTP"


def test_an_answer_of_another_key_or_none_is_a_failure() -> None:
    forged = compose(Answer(Status.OK, 0, FRESH.otp, FRESH.nonce, 100), ApiKey(b"another"))
    for body in (forged, b"", b"status=OK\r\n", b"\xff" * 40):
        assert complaint(FRESH, 200, body, KEY) is not None


def test_an_answer_to_another_request_is_a_failure() -> None:
    assert complaint(FRESH, 200, answer(Status.OK, nonce="m" * 16), KEY) is not None
    assert complaint(FRESH, 200, answer(Status.OK, otp="d" * 44), KEY) is not None


def test_ok_with_another_http_code_is_a_failure() -> None:
    assert complaint(FRESH, 500, answer(Status.OK), KEY) == "HTTP 500 with OK"
    assert complaint(FRESH, 429, answer(Status.OK), KEY) == "HTTP 429 with OK"


def test_over_the_rate_limit_the_report_says_what_to_do() -> None:
    said = complaint(FRESH, 429, answer(Status.OPERATION_NOT_ALLOWED), KEY)
    assert said is not None
    assert "keystead client limit" in said
