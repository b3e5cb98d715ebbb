"""Which answers of a validation service are wrong: the load test's eyes, without its hands."""

from enum import Enum
from typing import NamedTuple

from loadtest.question import Question
from loadtest.records import (
    NEVER_OK,
    NO_ANSWER,
    OVER_THE_LIMIT,
    UNREADABLE,
    Behaviour,
)
from validation.answer import ForgedAnswerError, parse
from validation.status import Status

_HTTP_OK = 200


class Grade(Enum):
    """How an answer is to be taken."""

    RIGHT = "right"
    LIMITED = "limited"
    """Over the limit, where that was meant to be reached: right, and the OTP is good still."""
    SILENT = "silent"
    """No answer came: the same question may be asked again, once."""
    WRONG = "wrong"
    """A failure: it counts, and the run goes on."""
    OK_FOR_NONE = "ok_for_none"
    """A violation: OK where it must never be."""
    NONE_FOR_OK = "none_for_ok"
    """A violation: a valid OTP of a client below its limit did not get OK."""


VIOLATIONS = frozenset({Grade.OK_FOR_NONE, Grade.NONE_FOR_OK})
_MUST_BE_OK = frozenset({Behaviour.VALID, Behaviour.REPEATED, Behaviour.SETTLED})


class Heard(NamedTuple):
    """An answer as it was understood. code: 0 when none came; genuine: a client may trust it."""

    code: int
    status: str
    genuine: bool


SILENCE = Heard(0, NO_ANSWER, genuine=False)


def hear(question: Question, code: int, body: bytes) -> Heard:
    """Read an answer twice: as a careful client does, else as a careless one does.

    A careless client takes `status=OK` for OK whatever the signature, so that counts as OK
    wherever OK is a danger, and not where OK is what a valid OTP is owed.
    """
    if code == 0:
        return SILENCE
    try:
        answer = parse(body, question.answer_key)
    except ForgedAnswerError:
        return Heard(code, _claimed(body), genuine=False)
    otp = question.otp.text if question.echoes_otp else None
    nonce = question.nonce if question.echoes_nonce else None
    expected_code = (
        OVER_THE_LIMIT
        if code == OVER_THE_LIMIT and answer.status is Status.OPERATION_NOT_ALLOWED
        else _HTTP_OK
    )
    genuine = (answer.otp, answer.nonce) == (otp, nonce) and code == expected_code
    return Heard(code, answer.status, genuine)


def _claimed(body: bytes) -> str:
    """Return the status a careless client reads, the dangerous one if there are several."""
    claimed = [
        line.removeprefix(b"status=").strip().decode("latin-1")
        for line in body.splitlines()
        if line.startswith(b"status=")
    ]
    if Status.OK in claimed:
        return Status.OK
    return claimed[-1] if claimed and claimed[-1] in frozenset(Status) else UNREADABLE


def grade(question: Question, heard: Heard, *, tolerant: bool) -> Grade:
    """Judge an answer. tolerant: BACKEND_ERROR and silence are failures, never violations."""
    code, status, genuine = heard
    limited = code == OVER_THE_LIMIT and status == Status.OPERATION_NOT_ALLOWED and genuine
    if status == Status.OK and question.behaviour in NEVER_OK:
        verdict = Grade.OK_FOR_NONE
    elif limited and question.may_be_limited:
        verdict = Grade.LIMITED
    elif genuine and not limited and status in question.expected:
        verdict = Grade.RIGHT
    elif status == NO_ANSWER and (tolerant or question.behaviour is Behaviour.VALID):
        verdict = Grade.SILENT
    elif status == Status.BACKEND_ERROR and tolerant:
        verdict = Grade.WRONG
    elif question.behaviour in _MUST_BE_OK or status in _LIES.get(question.behaviour, ()):
        verdict = Grade.NONE_FOR_OK
    else:
        verdict = Grade.WRONG
    return verdict


_REFUSALS = frozenset(Status) - {Status.OK, Status.BACKEND_ERROR}
_LIES = {Behaviour.CROWDED: _REFUSALS, Behaviour.RACED: _REFUSALS}
"""Over the limit and in a race not every valid OTP gets OK, but none is called anything else."""


def told(question: Question, heard: Heard) -> str:
    """Return what is wrong for the report: few texts, no value of the request in them."""
    expected = " or ".join(sorted(question.expected))
    trust = "" if heard.genuine or not heard.code else ", not signed or for another request"
    return f"HTTP {heard.code} {heard.status} instead of {expected}{trust}"
