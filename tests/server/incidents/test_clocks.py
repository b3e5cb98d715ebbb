"""Clocks are due when the schedule says, on the wall of the entity, whatever clocks do there."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.business_calendar import BusinessCalendar, CalendarError, Entity
from server.incidents.clocks import Clock, Reading, due
from server.incidents.holiday_calendars import HolidayCalendar, business_calendar
from server.incidents.instants import parse_instant, write_instant
from server.incidents.severity import Severity

VECTORS = json.loads((Path(__file__).parent / "vectors" / "clocks.json").read_text())["vectors"]
INSTANTS = st.integers(parse_instant("2020-01-01T00:00:00Z"), parse_instant("2035-01-01T00:00:00Z"))


def the_calendar(vector: dict[str, Any]) -> BusinessCalendar:
    """Return a vector's calendar."""
    return business_calendar(Entity(vector["entity"]), HolidayCalendar(vector["calendar"]))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_vector_comes_out_to_the_second(vector: dict[str, Any]) -> None:
    start = parse_instant(vector["start_utc"])
    clock, severity = Clock(vector["clock"]), Severity(vector["severity"])
    instant = due(clock, severity, start, the_calendar(vector))
    assert instant is not None
    assert write_instant(instant) == vector["due_utc"]
    if vector["due_utc_end_of_day_reading"] is not None:
        other = due(clock, severity, start, the_calendar(vector), Reading.END_OF_DAY)
        assert other is not None
        assert write_instant(other) == vector["due_utc_end_of_day_reading"]


@pytest.mark.parametrize(
    ("clock", "severity"),
    [
        (Clock.UPDATE, Severity.SEV_3),
        (Clock.UPDATE, Severity.SEV_4),
        (Clock.INCIDENT_REPORT, Severity.SEV_3),
        (Clock.INCIDENT_REPORT, Severity.SEV_4),
    ],
)
def test_there_is_no_clock_where_the_schedule_names_none(clock: Clock, severity: Severity) -> None:
    assert due(clock, severity, 0, business_calendar(Entity.INC)) is None


def by_the_minute(calendar: BusinessCalendar, start: int, minutes: int) -> int:
    """Return when so many business minutes are over, by looking at every one of them."""
    now = start
    while minutes:
        day = calendar.local_date(now)
        if calendar.is_business_day(day):
            opens, closes = calendar.hours(day)
            minutes -= opens <= now < closes
        now += 60
    return now


@given(INSTANTS, st.integers(1, 1500), st.sampled_from(list(HolidayCalendar)))
def test_business_time_agrees_with_counting_its_minutes(
    instant: int, minutes: int, holidays: HolidayCalendar
) -> None:
    entity = Entity.AB if holidays.value.startswith("se") else Entity.INC
    calendar = business_calendar(entity, holidays)
    start = instant - instant % 60
    assert calendar.after(start, minutes * 60) == by_the_minute(calendar, start, minutes)


@given(INSTANTS, INSTANTS, st.sampled_from(list(Clock)), st.sampled_from(list(Severity)))
def test_who_reports_later_is_never_due_earlier(
    one: int, other: int, clock: Clock, severity: Severity
) -> None:
    calendar = business_calendar(Entity.AB)
    for reading in Reading:
        first = due(clock, severity, min(one, other), calendar, reading)
        second = due(clock, severity, max(one, other), calendar, reading)
        if first is not None and second is not None:
            assert first <= second
            assert first > min(one, other)


def test_the_lists_differ_where_they_are_said_to() -> None:
    def business(calendar: HolidayCalendar, day: date) -> bool:
        return not calendar.is_holiday(day)

    federal, ours = HolidayCalendar.US_FEDERAL, HolidayCalendar.US_FEDERAL_UNOBSERVED
    california = HolidayCalendar.US_CA
    observed, columbus = date(2026, 7, 3), date(2026, 10, 12)
    assert not business(federal, observed)
    assert business(ours, observed)
    assert not business(federal, columbus)
    assert business(california, columbus)
    for only_there in (date(2026, 3, 31), date(2026, 11, 27), date(2026, 11, 8)):
        assert business(federal, only_there)
        assert not business(california, only_there)
    assert business(california, date(2027, 2, 15)) is False, "Presidents' Day"
    assert business(california, date(2028, 2, 15)), "Susan B. Anthony Day: offices are open"
    public, eves = HolidayCalendar.SE_PUBLIC, HolidayCalendar.SE_DE_FACTO
    for eve in (date(2026, 6, 19), date(2026, 12, 24), date(2026, 12, 31)):
        assert business(public, eve)
        assert not business(eves, eve)


def test_an_observed_day_in_the_year_before_is_found() -> None:
    assert HolidayCalendar.US_FEDERAL.is_holiday(date(2027, 12, 31))
    assert not HolidayCalendar.US_FEDERAL_UNOBSERVED.is_holiday(date(2027, 12, 31))


def test_a_fingerprint_tells_lists_and_years_apart() -> None:
    seen = {calendar.fingerprint([2026, 2027]) for calendar in HolidayCalendar}
    seen.add(HolidayCalendar.SE_PUBLIC.fingerprint([2026]))
    assert len(seen) == len(HolidayCalendar) + 1


def test_a_calendar_without_business_days_is_refused_and_not_searched_for_ever() -> None:
    never = BusinessCalendar(Entity.AB.zone, lambda _: True)
    with pytest.raises(CalendarError):
        never.after(0, 1)
    with pytest.raises(CalendarError):
        business_calendar(Entity.INC).after(253402300799, 10**6)


def test_business_hours_are_twelve_of_the_day_also_when_clocks_change() -> None:
    calendar = business_calendar(Entity.INC)
    day = date(2026, 1, 1)
    while day.year == 2026:
        assert calendar.hours(day).seconds == 12 * 3600
        day += timedelta(days=1)
