"""Log lines: enough to act on, never so many that they become the fault."""

import pytest

from hsm.vault import RecordRefusedError, VaultError, VaultUnavailableError
from server.otp.batcher import ClosedError, OverloadedError
from server.otp.deadlines import DeadlinePassedError
from server.otp.notices import Notices
from server.otp.ports import StoreError, StoreUnavailableError, UnknownOutcomeError
from server.otp.verdict import Source, Verdict
from tests.server.otp.log_lines import LogLines
from tests.server.still_clock import StillClock
from validation.status import Status

REFUSED = Verdict(Status.BAD_OTP, b"the body", None, 7, "cccccccccccb", shadowed=False)
SOURCE = Source("192.0.2.1", exempt=False)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def log() -> LogLines:
    return LogLines()


@pytest.fixture
def notices(log: LogLines, clock: StillClock) -> Notices:
    return Notices(log, clock=clock, refusal_lines=3)


def test_a_refusal_names_status_client_key_and_source_only(notices: Notices, log: LogLines) -> None:
    notices.refused(REFUSED, SOURCE)
    assert log.lines == [
        (
            "info",
            "verification_refused",
            {
                "status": "BAD_OTP",
                "client_id": 7,
                "public_id": "cccccccccccb",
                "source": "192.0.2.1",
            },
        )
    ]


def test_refusals_beyond_the_cap_are_counted_and_told_in_the_next_second(
    notices: Notices, log: LogLines, clock: StillClock
) -> None:
    for _ in range(10):
        notices.refused(REFUSED, SOURCE)
    assert log.at("info") == ["verification_refused"] * 3
    clock.pass_by(1)
    notices.refused(REFUSED, SOURCE)
    assert log.lines[3] == ("info", "refusals_not_listed", {"count": 7})
    assert log.at("info")[4:] == ["verification_refused"]


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (StoreUnavailableError("away"), "store_unavailable"),
        (OverloadedError("full"), "verifications_shed"),
        (UnknownOutcomeError("cut"), "store_outcome_unknown"),
        (VaultUnavailableError("away"), "vault_unavailable"),
        (DeadlinePassedError("late"), "deadline_passed"),
    ],
)
def test_a_fault_of_ours_raises_its_alarm_once_until_it_is_over(
    notices: Notices,
    log: LogLines,
    clock: StillClock,
    error: StoreError | VaultError | DeadlinePassedError,
    event: str,
) -> None:
    for _ in range(3):
        notices.broken(error, client_id=7, public_id="cc")
    assert log.at("error") == [event]
    notices.works(client_id=7, public_id="cc")  # it comes and goes: not told each time
    notices.broken(error, client_id=7, public_id="cc")
    clock.pass_by(5)
    notices.works(client_id=8, public_id="cb")
    assert log.lines[-1] == ("info", "recovered", {"alarm": event, "times": 4})
    notices.broken(error, client_id=7, public_id="cc")
    assert log.at("error") == [event] * 2


def test_shutting_down_is_no_alarm(notices: Notices, log: LogLines) -> None:
    notices.broken(ClosedError("bye"), client_id=7, public_id=None)
    assert not log.lines


def test_alarms_about_a_record_are_one_for_each_key_and_end_with_its_ok(
    notices: Notices, log: LogLines, clock: StillClock
) -> None:
    for public_id in ("cc", "cb", "cc"):
        notices.broken(RecordRefusedError("altered"), client_id=7, public_id=public_id)
        notices.counter_missing(public_id)
    assert log.at("error") == ["sealed_record_refused", "counter_missing"] * 2
    clock.pass_by(60)
    notices.works(client_id=7, public_id="cc")
    assert log.at("info") == ["recovered"] * 2
    notices.works(client_id=7, public_id="cc")
    assert log.at("info") == ["recovered"] * 2


def test_a_database_full_of_damage_does_not_fill_memory(notices: Notices) -> None:
    for number in range(3000):
        notices.counter_missing(str(number))
    assert len(notices._alarms) == 1000


def test_a_budget_nearly_spent_is_told_once_a_minute_for_each_client(
    notices: Notices, log: LogLines, clock: StillClock
) -> None:
    notices.budget(1, remaining=11, quota=50)
    assert not log.lines
    for client_id in (1, 2, 1):
        notices.budget(client_id, remaining=10, quota=50)
    assert log.at("warning") == ["client_near_its_limit"] * 2
    clock.pass_by(60)
    notices.budget(1, remaining=0, quota=50)
    assert len(log.lines) == 3
    notices.budget(3, remaining=0, quota=4)  # one session of four is 80 % of nothing
    assert len(log.lines) == 3
