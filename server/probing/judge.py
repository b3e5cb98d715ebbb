"""What two answers prove about the service: pure.

An OTP must be accepted with a signature, nonce and OTP that are right, and then, under another
nonce, must be a replay: a service that says OK to everything is not available.
"""

import enum
from typing import NamedTuple

from server.probing.finding import Outcome
from validation.answer import Answer, ForgedAnswerError, parse
from validation.signature import ApiKey
from validation.status import Status

_OK = 200
_TOO_MANY_REQUESTS = 429


class Silence(enum.StrEnum):
    """Why there is no answer, in words."""

    UNREACHABLE = "no connection"
    LATE = "no answer in time"
    BROKEN = "the connection broke"
    ENDLESS = "an endless answer"


class Heard(NamedTuple):
    """An answer as it came."""

    http_status: int
    body: bytes


class Exchange(NamedTuple):
    """One request of a round and what came of it."""

    otp: str
    nonce: str
    told: Heard | Silence


class Judgement(NamedTuple):
    """What a round says. why: "" when it is good."""

    outcome: Outcome
    why: str = ""


def is_accepted(first: Exchange, key: ApiKey) -> bool:
    """Tell whether the first answer is the right OK, so that the second can be asked for."""
    return _of_one(first, key, Status.OK) is None


def judge(first: Exchange, second: Exchange | None, key: ApiKey) -> Judgement:
    """Judge a round. second: None when it was not asked for, after a first that is no OK."""
    fault = _of_one(first, key, Status.OK)
    if fault is not None:
        return _in_words("first", fault)
    if second is None or second.nonce == first.nonce or second.otp != first.otp:
        # Not asked, or not the same OTP with another nonce: nothing is proven.
        return Judgement(Outcome.BAD, "second answer: it was not asked for")
    fault = _of_one(second, key, Status.REPLAYED_OTP)
    return Judgement(Outcome.GOOD) if fault is None else _in_words("second", fault)


def _in_words(which: str, fault: Judgement) -> Judgement:
    return fault._replace(why=f"{which} answer: {fault.why}")


def _of_one(exchange: Exchange, key: ApiKey, expected: Status) -> Judgement | None:
    """Return what is wrong with an answer, None when it is the one that is expected."""
    told = exchange.told
    if isinstance(told, Silence):
        return Judgement(Outcome.BAD, told.value)
    if told.http_status == _TOO_MANY_REQUESTS:
        return Judgement(Outcome.EXCLUDED, "over a limit")
    if told.http_status != _OK:
        return Judgement(Outcome.BAD, f"HTTP {told.http_status}")
    try:
        answer = parse(told.body, key)
    except ForgedAnswerError:
        return Judgement(Outcome.BAD, "not signed with our API key")
    return _of_signed(answer, exchange, expected)


def _of_signed(answer: Answer, exchange: Exchange, expected: Status) -> Judgement | None:
    # The status before the echoes: some refusals echo nothing.
    if answer.status is not expected:
        return Judgement(Outcome.BAD, f"{answer.status} where {expected} was due")
    if answer.nonce != exchange.nonce:
        return Judgement(Outcome.BAD, "another nonce than ours")
    if answer.otp != exchange.otp:
        return Judgement(Outcome.BAD, "another OTP than ours")
    return None
