"""The clocks of authorities run from a person's classification, as the law counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.business_calendar import Entity
from server.incidents.holiday_calendars import business_calendar
from server.incidents.instants import parse_instant, write_instant
from server.reports.analysis import Standing
from server.reports.regulatory import (
    STAGES,
    Anchor,
    Regime,
    RegulatoryClock,
    RegulatoryRecord,
    RegulatoryStep,
    regulatory_clocks,
    regulatory_reminders,
)

AB = business_calendar(Entity.AB)
HOUR = 3600


def classified(regime: Regime, when: str, aware: str | None = None) -> RegulatoryRecord:
    seconds = parse_instant(when)
    known = None if aware is None else parse_instant(aware)
    return RegulatoryRecord(
        regime, RegulatoryStep.CLASSIFIED, seconds * 10**6, seconds, "eve", aware_s=known
    )


def sent(regime: Regime, stage: str, when: str) -> RegulatoryRecord:
    seconds = parse_instant(when)
    return RegulatoryRecord(
        regime, RegulatoryStep.SENT, seconds * 10**6, seconds, "eve", stage=stage
    )


def dues(clocks: tuple[RegulatoryClock, ...]) -> dict[str, str]:
    return {clock.stage.name: write_instant(clock.due) for clock in clocks}


def test_no_clock_runs_before_a_person_classified_the_incident() -> None:
    assert regulatory_clocks(Regime.NIS2, [], AB) == ()
    other = [classified(Regime.DORA, "2026-09-01T10:00:00Z")]
    assert regulatory_clocks(Regime.NIS2, other, AB) == ()


def test_nis2_is_24_hours_and_72_hours_from_awareness_and_a_month_after_the_notification() -> None:
    records = [classified(Regime.NIS2, "2026-09-01T12:00:00Z", "2026-09-01T10:00:00Z")]
    assert dues(regulatory_clocks(Regime.NIS2, records, AB)) == {
        "early-warning": "2026-09-02T10:00:00Z",
        "notification": "2026-09-04T10:00:00Z",
        "final-report": "2026-10-04T10:00:00Z",
    }
    records.append(sent(Regime.NIS2, "notification", "2026-09-03T08:30:00Z"))
    assert dues(regulatory_clocks(Regime.NIS2, records, AB))["final-report"] == (
        "2026-10-03T08:30:00Z"
    )


def test_dora_is_four_hours_after_classification_and_24_hours_after_awareness_at_most() -> None:
    soon = [classified(Regime.DORA, "2026-09-01T12:00:00Z", "2026-09-01T10:00:00Z")]
    assert dues(regulatory_clocks(Regime.DORA, soon, AB)) == {
        "initial-notification": "2026-09-01T16:00:00Z",
        "intermediate-report": "2026-09-04T16:00:00Z",
        "final-report": "2026-10-04T16:00:00Z",
    }
    late = [classified(Regime.DORA, "2026-09-02T09:00:00Z", "2026-09-01T10:00:00Z")]
    clocks = regulatory_clocks(Regime.DORA, late, AB)
    assert dues(clocks)["initial-notification"] == "2026-09-02T10:00:00Z"


def test_a_month_is_clamped_to_its_end_and_keeps_the_wall_over_a_change_of_clocks() -> None:
    records = [
        classified(Regime.NIS2, "2027-01-29T12:00:00Z"),
        sent(Regime.NIS2, "notification", "2027-01-31T11:00:00Z"),
    ]
    assert dues(regulatory_clocks(Regime.NIS2, records, AB))["final-report"] == (
        "2027-02-28T11:00:00Z"
    )
    records[1] = sent(Regime.NIS2, "notification", "2027-03-01T11:00:00Z")  # 12:00, winter
    assert dues(regulatory_clocks(Regime.NIS2, records, AB))["final-report"] == (
        "2027-04-01T10:00:00Z"  # 12:00, summer
    )


def test_what_hangs_on_something_unsent_is_not_final() -> None:
    records = [classified(Regime.DORA, "2026-09-01T12:00:00Z")]
    assert [one.final for one in regulatory_clocks(Regime.DORA, records, AB)] == [
        True,
        False,
        False,
    ]
    records.append(sent(Regime.DORA, "initial-notification", "2026-09-01T13:00:00Z"))
    clocks = regulatory_clocks(Regime.DORA, records, AB)
    assert [one.final for one in clocks] == [True, True, False]
    assert dues(clocks)["intermediate-report"] == "2026-09-04T13:00:00Z"


def test_a_withdrawn_classification_stops_everything_and_a_new_one_begins_anew() -> None:
    first = classified(Regime.NIS2, "2026-09-01T12:00:00Z")
    gone = first._replace(step=RegulatoryStep.WITHDRAWN)
    assert regulatory_clocks(Regime.NIS2, [first, gone], AB) == ()
    again = classified(Regime.NIS2, "2026-09-05T12:00:00Z")
    early = sent(Regime.NIS2, "early-warning", "2026-09-01T13:00:00Z")
    clocks = regulatory_clocks(Regime.NIS2, [first, early, gone, again], AB)
    assert dues(clocks)["early-warning"] == "2026-09-06T12:00:00Z"
    assert clocks[0].sent is None


def test_the_first_sending_counts_and_exactly_due_is_in_time() -> None:
    records = [
        classified(Regime.NIS2, "2026-09-01T12:00:00Z"),
        sent(Regime.NIS2, "early-warning", "2026-09-02T12:00:00Z"),
        sent(Regime.NIS2, "early-warning", "2026-09-03T12:00:00Z"),
    ]
    early, notification, _ = regulatory_clocks(Regime.NIS2, records, AB)
    assert early.standing(early.due + HOUR) is Standing.MET
    assert notification.standing(notification.due) is Standing.RUNNING
    assert notification.standing(notification.due + 1) is Standing.MISSED


@pytest.mark.parametrize("regime", Regime)
def test_the_first_stage_of_a_regime_waits_for_no_other(regime: Regime) -> None:
    stages = STAGES[regime]
    assert Anchor.BEFORE not in {limit.anchor for limit in stages[0].limits}
    assert len({stage.name for stage in stages}) == len(stages)


@given(
    st.integers(parse_instant("2020-01-01T00:00:00Z"), parse_instant("2040-01-01T00:00:00Z")),
    st.sampled_from(Entity),
)
def test_a_month_later_is_28_to_31_days_give_or_take_an_hour(start: int, entity: Entity) -> None:
    later = business_calendar(entity).months_after(start, 1)
    assert 28 * 24 * HOUR - HOUR <= later - start <= 31 * 24 * HOUR + HOUR


def moments(records: list[RegulatoryRecord], now: str) -> list[tuple[str, str]]:
    clocks = regulatory_clocks(Regime.NIS2, records, AB)
    found = regulatory_reminders(1, clocks, parse_instant(now))
    return [(one.stage, one.moment.value) for one in found]


def test_a_quarter_of_the_time_before_it_is_due_somebody_is_reminded() -> None:
    records = [classified(Regime.NIS2, "2026-09-01T12:00:00Z")]
    assert moments(records, "2026-09-02T05:59:59Z") == []
    assert moments(records, "2026-09-02T06:00:00Z") == [("early-warning", "clock-soon")]
    assert moments(records, "2026-09-02T12:00:00Z") == [("early-warning", "clock-soon")]
    assert moments(records, "2026-09-02T12:00:01Z") == [("early-warning", "clock-missed")]


def test_nobody_is_reminded_of_what_was_sent_or_hangs_on_something_unsent() -> None:
    records = [
        classified(Regime.NIS2, "2026-09-01T12:00:00Z"),
        sent(Regime.NIS2, "early-warning", "2026-09-01T13:00:00Z"),
    ]
    assert moments(records, "2026-12-01T12:00:00Z") == [("notification", "clock-missed")]
    records.append(sent(Regime.NIS2, "notification", "2026-09-02T13:00:00Z"))
    assert moments(records, "2026-12-01T12:00:00Z") == [("final-report", "clock-missed")]
