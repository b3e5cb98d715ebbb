"""P1, P3, P4 and the service itself: an honest history passes, each broken promise is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.proof.consumption import Consumption
from loadtest.proof.once import Once
from loadtest.proof.refusals import Refusals
from loadtest.proof.service import Service
from loadtest.records import CUT, NEVER_OK, NO_ANSWER, OVER_THE_LIMIT, UNREADABLE, Behaviour
from tests.loadtest.proof.history import ATTEMPTS, Attempt, honest, played, record
from validation.status import Status

OVER = Status.OPERATION_NOT_ALLOWED


@given(ATTEMPTS, st.lists(st.booleans(), max_size=7))
def test_an_honest_history_violates_nothing(attempts: list[Attempt], limited: list[bool]) -> None:
    results = played(honest(attempts, limited=limited), Once(), Refusals(), Consumption())
    assert [result.violations for result in results] == [0, 0, 0]


@given(ATTEMPTS, st.data())
def test_any_otp_that_is_accepted_twice_is_found(
    attempts: list[Attempt], data: st.DataObject
) -> None:
    history = honest(attempts)
    accepted = [one for one in history if one.status == Status.OK]
    if accepted:
        again = data.draw(st.sampled_from(accepted))
        later = again._replace(sent_us=again.sent_us + data.draw(st.integers(0, 1000)))
        (result,) = played([*history, later], Once())
        assert result.violations == 1
        assert result.examples[0].startswith("OK a second time")


@pytest.mark.parametrize("behaviour", sorted(NEVER_OK))
@pytest.mark.parametrize("genuine", [True, False])
def test_ok_for_what_must_be_refused_is_found(behaviour: Behaviour, genuine: bool) -> None:  # noqa: FBT001 - a parameter of the test
    (result,) = played([record(Status.OK, 1, behaviour=behaviour, genuine=genuine)], Refusals())
    assert (result.violations, result.held) == (1, False)


@pytest.mark.parametrize(
    ("status", "code", "behaviour"),
    [
        (OVER, OVER_THE_LIMIT, Behaviour.CROWDED),
        (Status.BAD_SIGNATURE, 200, Behaviour.REFUSED),
        (Status.BAD_OTP, 200, Behaviour.GARBLED),
        (Status.MISSING_PARAMETER, 200, Behaviour.REFUSED),
    ],
)
def test_an_otp_that_a_refused_request_consumed_is_found(
    status: Status, code: int, behaviour: Behaviour
) -> None:
    refused = record(status, 0, behaviour=behaviour, code=code)
    (result,) = played([refused, record(Status.REPLAYED_OTP, 100)], Consumption())
    assert result.violations == 1
    (result,) = played([refused, record(Status.OK, 100)], Consumption())
    assert (result.held, result.checked) == (True, 1)


def test_an_otp_that_was_only_refused_is_not_shown_to_be_good() -> None:
    limited = record(OVER, 0, behaviour=Behaviour.CROWDED, code=OVER_THE_LIMIT)
    consumption = Consumption()
    (result,) = played([limited], consumption)
    assert (result.violations, result.unproven, result.held) == (0, 1, False)
    assert list(consumption.waiting) == [("cccb", (1, 0))]


def test_the_loser_of_a_race_may_be_answered_before_the_winner() -> None:
    winner = record(Status.OK, 0, took_us=100, behaviour=Behaviour.RACED)
    loser = record(Status.REPLAYED_OTP, 1, took_us=10, behaviour=Behaviour.RACED)
    (result,) = played([winner, loser], Consumption())
    assert result.held
    # But not before the winner was even sent.
    (result,) = played([winner._replace(sent_us=50), loser], Consumption())
    assert result.violations == 1


@pytest.mark.parametrize("status", [NO_ANSWER, CUT, UNREADABLE, Status.BACKEND_ERROR])
def test_after_an_unknown_outcome_the_otp_may_be_used_up(status: str) -> None:
    limited = record(OVER, 0, behaviour=Behaviour.CROWDED, code=OVER_THE_LIMIT)
    history = [limited, record(status, 50), record(Status.REPLAYED_OTP, 100)]
    (result,) = played(history, Consumption())
    assert result.held


def test_an_older_otp_is_replayed_once_a_newer_one_was_accepted() -> None:
    (result,) = played(
        [record(Status.OK, 0, use=5), record(Status.REPLAYED_OTP, 50, use=3)], Consumption()
    )
    assert result.held
    (result,) = played(
        [record(Status.OK, 0, use=2), record(Status.REPLAYED_OTP, 50, use=3)], Consumption()
    )
    assert result.violations == 1


@pytest.mark.parametrize(
    ("status", "genuine", "violations"),
    [
        (Status.OK, True, 0),
        (Status.OK, False, 1),
        (Status.REPLAYED_OTP, True, 1),
        (Status.BACKEND_ERROR, True, 1),
        (UNREADABLE, False, 1),
        (CUT, False, 0),
        (NO_ANSWER, False, 0),
    ],
)
def test_a_valid_otp_is_owed_a_genuine_ok(status: str, genuine: bool, violations: int) -> None:  # noqa: FBT001 - a parameter of the test
    (result,) = played([record(status, 0, genuine=genuine)], Service(tolerant=False))
    assert result.violations == violations
    if status == Status.BACKEND_ERROR:
        (result,) = played([record(status, 0)], Service(tolerant=True))
        assert result.violations == 0


def test_silence_twice_is_no_ok() -> None:
    silent = record(NO_ANSWER, 50, behaviour=Behaviour.REPEATED, genuine=False)
    assert played([silent], Service(tolerant=False))[0].violations == 1
    assert played([silent], Service(tolerant=True))[0].violations == 0
