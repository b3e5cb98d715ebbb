"""What is counted apart, and whether it was good or bad service: pure.

Each answer adds one to one kind. Most kinds are the protocol's statuses; three are not: a request
over its limit, a level of synchronisation that was never offered, and a request that got no
answer of the protocol because of a fault of ours.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from server.otp.verdict import Verdict
from validation.status import Status


class Outcome(enum.StrEnum):
    """What a request says about the service."""

    GOOD = "good"  # a correct answer of the protocol, also one that refuses
    BAD = "bad"  # the service could not decide
    EXCLUDED = "excluded"  # over the limit: says nothing about the service


LIMITED = "limited"
"""Answered 429, whosever budget was spent."""

BEYOND_LEVEL = "beyond_level"
"""NOT_ENOUGH_ANSWERS to who asked for an `sl` beyond the configuration: nobody makes downtime."""

FAULT = "fault"
"""HTTP 5xx, or no answer at all, by a fault of ours."""

STATUSES = tuple(status.value.lower() for status in Status)
KINDS = (*STATUSES, LIMITED, BEYOND_LEVEL, FAULT)
"""The order of a row's counts, in memory, on the link and in the table."""

AT = {kind: index for index, kind in enumerate(KINDS)}
STATUS_AT = {status: AT[status.value.lower()] for status in Status}

_BAD = frozenset({Status.BACKEND_ERROR.lower(), Status.NOT_ENOUGH_ANSWERS.lower(), FAULT})

OUTCOMES = {
    kind: Outcome.EXCLUDED if kind == LIMITED else Outcome.BAD if kind in _BAD else Outcome.GOOD
    for kind in KINDS
}


OUTCOME_OF = {status: OUTCOMES[status.value.lower()] for status in Status}


def outcome_of(verdict: Verdict) -> Outcome:
    """Return what an answer says about the service."""
    if verdict.limit is not None:
        return Outcome.EXCLUDED
    return Outcome.GOOD if verdict.beyond_level else OUTCOME_OF[verdict.status]


def kind_of(verdict: Verdict) -> str:
    """Return the kind that an answer adds to."""
    if verdict.limit is not None:
        return LIMITED
    if verdict.beyond_level:
        return BEYOND_LEVEL
    return KINDS[STATUS_AT[verdict.status]]


def classify(verdict: Verdict) -> Outcome:
    """Return what an answer says about the service."""
    return OUTCOMES[kind_of(verdict)]


class Sums(NamedTuple):
    """Requests by what they say about the service."""

    good: int
    bad: int
    excluded: int


def sums(counts: Sequence[int]) -> Sums:
    """Add up a row's counts by outcome."""
    total = dict.fromkeys(Outcome, 0)
    for kind, count in zip(KINDS, counts, strict=True):
        total[OUTCOMES[kind]] += count
    return Sums(total[Outcome.GOOD], total[Outcome.BAD], total[Outcome.EXCLUDED])
