"""What an answer says about the service, exactly as availability is defined."""

import pytest

from server.otp.verdict import LimitAdvice, Verdict
from server.usage.kinds import KINDS, OUTCOMES, Outcome, classify, kind_of, sums
from validation.status import Status

LIMIT = LimitAdvice("default", 50, 5, 0, 1)
BAD = {Status.BACKEND_ERROR, Status.NOT_ENOUGH_ANSWERS}


def verdict(
    status: Status, limit: LimitAdvice | None = None, *, beyond_level: bool = False
) -> Verdict:
    return Verdict(status, b"", limit, 1, None, False, 1, beyond_level)


@pytest.mark.parametrize("status", Status)
def test_only_what_the_service_could_not_decide_is_bad(status: Status) -> None:
    assert classify(verdict(status)) is (Outcome.BAD if status in BAD else Outcome.GOOD)


def test_an_answer_over_the_limit_is_left_out_and_a_suspended_clients_is_good() -> None:
    limited = verdict(Status.OPERATION_NOT_ALLOWED, LIMIT)
    assert (kind_of(limited), classify(limited)) == ("limited", Outcome.EXCLUDED)
    assert classify(verdict(Status.OPERATION_NOT_ALLOWED)) is Outcome.GOOD


def test_nobody_manufactures_downtime_with_a_level_that_was_never_offered() -> None:
    asked = verdict(Status.NOT_ENOUGH_ANSWERS, beyond_level=True)
    assert (kind_of(asked), classify(asked)) == ("beyond_level", Outcome.GOOD)


def test_a_request_without_an_answer_of_the_protocol_is_bad() -> None:
    assert OUTCOMES["fault"] is Outcome.BAD


def test_sums_are_by_outcome() -> None:
    counts = [10**at for at in range(len(KINDS))]
    by_hand = {
        one: sum(c for k, c in zip(KINDS, counts, strict=True) if OUTCOMES[k] is one)
        for one in Outcome
    }
    assert sums(counts)._asdict() == {str(one): total for one, total in by_hand.items()}
    assert sum(sums(counts)) == sum(counts)
