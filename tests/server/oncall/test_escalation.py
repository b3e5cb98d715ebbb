"""Who is called, in what order, after how many minutes without an acknowledgement."""

from hypothesis import given, settings
from hypothesis import strategies as st

from server.incidents.business_calendar import Entity
from server.incidents.holiday_calendars import business_calendar
from server.incidents.severity import Severity
from server.oncall.escalation import MOST_CALLS, Call, Escalation, Step, who_is_called
from tests.server.oncall.rotas import ROTA, STEPS, at

NIGHT = at("2026-11-04T02:00:00Z")
MINUTE = 60


def called(
    minutes: float, acknowledged: float | None = None, severity: Severity = Severity.SEV_1
) -> list[tuple[int, str]]:
    found = who_is_called(
        ROTA,
        STEPS,
        severity=severity,
        opened_at=NIGHT,
        now=NIGHT + round(minutes * MINUTE),
        acknowledged_at=None if acknowledged is None else NIGHT + round(acknowledged * MINUTE),
    )
    return [(call.step, call.person) for call in found]


def test_one_after_the_other_hears_until_everybody_has_before_fifteen_minutes() -> None:
    first = [(0, "anna")]
    second = [(1, "anna"), (1, "bo")]
    third = [(2, "anna"), (2, "bo"), (2, "cilla")]
    assert called(0) == first
    assert called(5 - 1 / 60) == first
    assert called(5) == first + second
    assert called(10) == first + second + third
    assert called(24.9) == first + second + third


def test_nobody_is_called_before_it_began() -> None:
    assert called(-1) == []


def test_everybody_is_called_again_and_again_until_somebody_answers() -> None:
    assert called(25)[-3:] == [(3, "anna"), (3, "bo"), (3, "cilla")]
    assert called(40)[-3:] == [(4, "anna"), (4, "bo"), (4, "cilla")]
    assert called(100_000)[-1][1] == "cilla"
    assert len(called(100_000)) <= MOST_CALLS + 3


def test_from_the_acknowledgement_on_nobody_is_called() -> None:
    assert called(60, acknowledged=5) == [(0, "anna")]
    assert called(60, acknowledged=5 + 1 / 60) == [(0, "anna"), (1, "anna"), (1, "bo")]
    assert called(60, acknowledged=0) == []


def test_whose_turn_it_is_counts_when_the_step_is_due() -> None:
    before = at("2026-11-09T07:57:00Z")  # bo takes over three minutes later
    calls = who_is_called(
        ROTA, STEPS, severity=Severity.SEV_2, opened_at=before, now=before + 5 * MINUTE
    )
    assert [call.person for call in calls] == ["anna", "bo", "cilla"]


def test_nobody_is_woken_for_severities_3_and_4() -> None:
    hours = business_calendar(Entity.AB)
    opens = at("2026-11-04T04:00:00Z")  # five in the morning in Stockholm, a Wednesday
    for severity in (Severity.SEV_3, Severity.SEV_4):
        story = [
            who_is_called(
                ROTA, STEPS, severity=severity, opened_at=NIGHT, now=opens + late, hours=hours
            )
            for late in (-1, 0, 5 * MINUTE)
        ]
        assert story == [
            [],
            [Call(0, "anna", opens)],
            [
                Call(0, "anna", opens),
                Call(1, "anna", opens + 5 * MINUTE),
                Call(1, "bo", opens + 5 * MINUTE),
            ],
        ]
    for severity in (Severity.SEV_1, Severity.SEV_2):
        first = who_is_called(
            ROTA, STEPS, severity=severity, opened_at=NIGHT, now=NIGHT, hours=hours
        )
        assert first == [Call(0, "anna", NIGHT)]


def test_a_step_that_falls_on_the_close_waits_for_the_next_business_day() -> None:
    hours = business_calendar(Entity.AB)
    friday = at("2026-11-06T15:55:00Z")  # five minutes before seventeen hours in Stockholm
    calls = who_is_called(
        ROTA,
        STEPS,
        severity=Severity.SEV_3,
        opened_at=friday,
        now=friday + 4 * 86_400,
        hours=hours,
    )
    assert [call.at for call in calls[:2]] == [friday, at("2026-11-09T04:00:00Z")]


def test_names_and_roles_of_one_step_call_each_person_once() -> None:
    steps = Escalation((Step(0, ("bo", "on-call", "everybody", "dag")),))
    calls = who_is_called(ROTA, steps, severity=Severity.SEV_1, opened_at=NIGHT, now=NIGHT + 10**6)
    assert [call.person for call in calls] == ["bo", "anna", "cilla", "dag"]


@settings(max_examples=150, deadline=None)
@given(
    opened=st.integers(1_780_000_000, 1_900_000_000),
    late=st.integers(0, 200_000),
    more=st.integers(0, 100_000),
    answered=st.none() | st.integers(0, 200_000),
    severity=st.sampled_from(list(Severity)),
    business=st.booleans(),
)
def test_as_time_goes_by_calls_are_added_and_none_is_taken_back(
    opened: int, late: int, more: int, answered: int | None, severity: Severity, *, business: bool
) -> None:
    def story(now: int, answer: int | None) -> list[Call]:
        return who_is_called(
            ROTA,
            STEPS,
            severity=severity,
            opened_at=opened,
            now=now,
            acknowledged_at=answer,
            hours=business_calendar(Entity.INC) if business else None,
        )

    acknowledged = None if answered is None else opened + answered
    sooner, later = story(opened + late, acknowledged), story(opened + late + more, acknowledged)
    assert later[: len(sooner)] == sooner
    assert all(opened <= call.at <= opened + late for call in sooner)
    if acknowledged is not None:
        assert all(call.at < acknowledged for call in later)
        unanswered = story(opened + late + more, None)
        assert later == [call for call in unanswered if call.at < acknowledged]
