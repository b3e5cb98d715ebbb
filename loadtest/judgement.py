"""Which answers of a validation service are wrong: the load test's eyes, without its hands."""

from typing import NamedTuple

from validation.answer import ForgedAnswerError, parse
from validation.signature import ApiKey
from validation.status import Status

_HTTP_OK = 200
_HTTP_OVER_THE_LIMIT = 429


class Question(NamedTuple):
    """What was asked and what must be answered: OK for a fresh OTP, REPLAYED_OTP for a used one."""

    otp: str
    nonce: str
    expected: Status


def complaint(question: Question, code: int, body: bytes, api_key: ApiKey) -> str | None:
    """Return what is wrong with an answer, None when it is the right one.

    Texts are few and hold no value of the request, so that a report can group by them.
    """
    try:
        answer = parse(body, api_key)
    except ForgedAnswerError:
        return f"HTTP {code} without an answer signed by this client's key"
    if answer.status is Status.OPERATION_NOT_ALLOWED and code == _HTTP_OVER_THE_LIMIT:
        return "over the client's rate limit: raise it for the test (keystead client limit)"
    if answer.status is not question.expected:
        return f"{answer.status} instead of {question.expected}"
    if (answer.otp, answer.nonce) != (question.otp, question.nonce):
        return "the answer belongs to another request"
    if code != _HTTP_OK:
        return f"HTTP {code} with {answer.status}"
    return None
