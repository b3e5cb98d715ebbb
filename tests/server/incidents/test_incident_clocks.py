"""The clocks of an incident out of its history, and what is reminded of."""

from hypothesis import given
from hypothesis import strategies as st

from server.incidents.clocks import Clock, Reading
from server.incidents.holiday_calendars import HolidayCalendar
from server.incidents.incident_clocks import IncidentClock, incident_clocks
from server.incidents.instants import parse_instant
from server.incidents.record import (
    Assignment,
    Author,
    AuthorKind,
    Incident,
    Record,
    Severity,
    Step,
    Update,
)
from server.incidents.reminders import Moment, lead, reminders
from server.incidents.response import Outcome
from server.incidents.schedule import DueNote, Reckoning, Schedule
from tests.server.incidents.histories import EVE, OPENED_US, SYSTEM, incident, opening

OPENED_S = OPENED_US // 1_000_000
MINUTE = 60
HOUR = 3600
DAY = 86_400
BY_CUSTOMER = opening(customer=7)


def clocks(one: Incident, schedule: Schedule | None = None) -> list[IncidentClock]:
    return incident_clocks(one, Reckoning(schedule or Schedule()))


def the(clock: Clock, one: Incident) -> IncidentClock:
    (found,) = [each for each in clocks(one) if each.clock is clock]
    return found


def assigned(severity: Severity, at_s: int) -> Record:
    detail = Assignment(severity, Severity.SEV_1)
    return Record(Step.ASSIGNED, OPENED_US + at_s * 1_000_000, EVE, "why", detail)


def updates(one: Incident) -> list[IncidentClock]:
    return [each for each in clocks(one) if each.clock is Clock.UPDATE]


def test_fifteen_minutes_run_from_the_report_also_when_it_was_opened_later() -> None:
    first = opening()
    late = first._replace(at_us=first.at_us + 10 * MINUTE * 1_000_000)
    clock = the(Clock.INITIAL_RESPONSE, incident(first=late))
    assert clock.story.due == OPENED_S + 15 * MINUTE
    assert clock.outcome(OPENED_S + 15 * MINUTE) is Outcome.RUNNING
    assert clock.outcome(OPENED_S + 15 * MINUTE + 1) is Outcome.MISSED


def test_no_note_and_no_machine_stops_the_clock_and_a_person_does() -> None:
    prober = Author(AuthorKind.PROBER, "oslo")
    words = [(Step.NOTE, 1, EVE), (Step.UPDATE, 2, SYSTEM), (Step.UPDATE, 3, prober)]
    assert the(Clock.INITIAL_RESPONSE, incident(*words)).runs
    taken = the(Clock.INITIAL_RESPONSE, incident(*words, (Step.ACKNOWLEDGED, 15 * MINUTE, EVE)))
    assert not taken.runs
    assert taken.outcome(OPENED_S + DAY) is Outcome.MET


def test_half_a_second_late_is_late() -> None:
    late = Record(Step.ACKNOWLEDGED, OPENED_US + 15 * MINUTE * 1_000_000 + 500_000, EVE)
    assert the(Clock.INITIAL_RESPONSE, incident(late)).outcome(OPENED_S + DAY) is Outcome.MISSED


def test_a_severity_that_is_raised_leaves_less_time_and_a_missed_clock_stays_missed() -> None:
    third = opening(Severity.SEV_3)
    raised = incident(assigned(Severity.SEV_1, HOUR), first=third)
    assert the(Clock.INITIAL_RESPONSE, raised).story.due == OPENED_S + HOUR + 15 * MINUTE
    lowered = incident(assigned(Severity.SEV_3, HOUR))
    clock = the(Clock.INITIAL_RESPONSE, lowered)
    assert clock.story.missed_at == OPENED_S + 15 * MINUTE
    assert clock.outcome(OPENED_S + HOUR) is Outcome.MISSED


def test_a_dismissed_incident_owes_nothing_and_a_reopened_one_owes_from_the_report_on() -> None:
    steps = [(Step.DISMISSED, 5 * MINUTE, EVE)]
    dismissed = the(Clock.INITIAL_RESPONSE, incident(*steps))
    assert not dismissed.runs
    assert dismissed.outcome(OPENED_S + DAY) is None
    steps.append((Step.REOPENED, HOUR, EVE))
    again = the(Clock.INITIAL_RESPONSE, incident(*steps))
    assert again.runs
    assert again.outcome(OPENED_S + HOUR) is Outcome.MISSED


def test_updates_are_owed_only_when_a_customer_reported_it() -> None:
    assert not updates(incident())
    assert updates(incident(first=BY_CUSTOMER))[0].story.due == OPENED_S + HOUR


def test_each_update_begins_the_next_clock_until_it_is_resolved() -> None:
    one = incident(
        (Step.ACKNOWLEDGED, 1, EVE),
        (Step.UPDATE, 30 * MINUTE, EVE),
        (Step.UPDATE, 2 * HOUR, EVE),
        (Step.RESOLVED, 2 * HOUR + 10, EVE),
        (Step.UPDATE, 9 * HOUR, EVE),
        first=BY_CUSTOMER,
    )
    outcomes = [each.outcome(OPENED_S + DAY) for each in updates(one)]
    # The first in time, the second half an hour late, the third ended by the resolution.
    assert outcomes == [Outcome.MET, Outcome.MISSED, Outcome.MET]
    starts = [each.story.reported_at - OPENED_S for each in updates(one)]
    assert starts == [0, 30 * MINUTE, 2 * HOUR]


def test_an_acknowledgement_is_no_update_and_a_system_update_begins_no_clock() -> None:
    one = incident((Step.ACKNOWLEDGED, 1, EVE), (Step.UPDATE, 5, SYSTEM), first=BY_CUSTOMER)
    (clock,) = updates(one)
    assert clock.outcome(OPENED_S + HOUR + 1) is Outcome.MISSED


def test_an_update_while_no_severity_asks_for_one_begins_the_clock_it_had_then() -> None:
    one = incident(
        assigned(Severity.SEV_3, 10),
        (Step.UPDATE, 20, EVE),
        assigned(Severity.SEV_1, 30),
        first=BY_CUSTOMER,
    )
    first, second = updates(one)
    assert first.story.answered_at == OPENED_S + 20
    assert second.story.due == OPENED_S + 30 + HOUR


def test_the_report_is_due_on_the_twentieth_business_day_by_the_worst_severity() -> None:
    # Resolved on Friday 2026-11-20 in California; Thanksgiving, Christmas and New Year are off.
    resolved_us = parse_instant("2026-11-20T20:00:00Z") * 1_000_000
    one = incident(
        Record(Step.ACKNOWLEDGED, resolved_us - 3, EVE),
        Record(Step.ASSIGNED, resolved_us - 2, EVE, "", Assignment(Severity.SEV_2, Severity.SEV_1)),
        Record(Step.ASSIGNED, resolved_us - 1, EVE, "", Assignment(Severity.SEV_4, Severity.SEV_1)),
        Record(Step.RESOLVED, resolved_us, EVE),
    )
    clock = the(Clock.INCIDENT_REPORT, one)
    assert clock.story.due == parse_instant("2026-12-22T01:00:00Z")
    published = Record(Step.REPORTED, resolved_us + 5, EVE, "revision 1")
    told = one._replace(history=(*one.history, published))
    assert the(Clock.INCIDENT_REPORT, told).outcome(resolved_us) is Outcome.MET


def test_a_severity_that_is_assigned_after_the_resolution_counts_from_the_resolution() -> None:
    resolved_us = parse_instant("2026-11-20T20:00:00Z") * 1_000_000
    one = incident(
        Record(Step.ACKNOWLEDGED, resolved_us - 3, EVE),
        Record(Step.RESOLVED, resolved_us, EVE),
        first=opening(Severity.SEV_4),
    )
    assert [each.clock for each in clocks(one)] == [Clock.INITIAL_RESPONSE]
    later = Record(
        Step.ASSIGNED,
        resolved_us + 5 * DAY * 1_000_000,
        EVE,
        "worse than it looked",
        Assignment(Severity.SEV_1, Severity.SEV_4),
    )
    worse = one._replace(history=(*one.history, later))
    assert the(Clock.INCIDENT_REPORT, worse).story.due == parse_instant("2026-12-22T01:00:00Z")


def test_the_report_of_a_reopened_incident_starts_again() -> None:
    one = incident(
        (Step.ACKNOWLEDGED, 1, EVE),
        (Step.RESOLVED, 2, EVE),
        (Step.REOPENED, DAY, EVE),
        (Step.RESOLVED, 40 * DAY, EVE),
    )
    first, second = (each for each in clocks(one) if each.clock is Clock.INCIDENT_REPORT)
    assert first.outcome(OPENED_S + 90 * DAY) is None
    assert not first.runs
    assert second.story.reported_at == OPENED_S + 40 * DAY
    assert second.runs


def test_what_was_noted_is_due_whatever_a_later_calendar_knows() -> None:
    one = incident(first=opening(Severity.SEV_3))
    reckoning = Reckoning(Schedule())
    before = incident_clocks(one, reckoning)
    (note,) = reckoning.fresh
    assert note.calendar == "inc us-federal elapsed"
    assert len(note.fingerprint) == 16
    told = note._replace(due=note.due - 1 if note.due else None, fingerprint="0" * 16)
    later = Schedule(holidays=HolidayCalendar.SE_DE_FACTO, reading=Reading.END_OF_DAY)
    again = Reckoning(later, [told])
    assert incident_clocks(one, again)[0].story.due == told.due
    assert not again.fresh
    assert incident_clocks(one, Reckoning(later))[0].story.due != before[0].story.due


def test_it_is_reminded_of_a_clock_before_it_is_due_and_once_it_was_missed() -> None:
    one = incident()

    def told(now: int) -> list[tuple[Moment, int]]:
        return [(each.moment, each.due - OPENED_S) for each in reminders(1, clocks(one), now)]

    assert told(OPENED_S + 9 * MINUTE) == []
    assert told(OPENED_S + 10 * MINUTE) == [(Moment.SOON, 15 * MINUTE)]
    assert told(OPENED_S + 15 * MINUTE) == [(Moment.SOON, 15 * MINUTE)]
    assert told(OPENED_S + 15 * MINUTE + 1) == [(Moment.MISSED, 15 * MINUTE)]


def test_nobody_is_reminded_of_what_was_answered_in_time() -> None:
    one = incident((Step.ACKNOWLEDGED, MINUTE, EVE))
    for now in (11 * MINUTE, DAY):
        assert not reminders(1, clocks(one), OPENED_S + now)


@given(st.integers(0, 10**10), st.integers(1, 10**8))
def test_a_reminder_comes_before_the_due_instant_and_not_before_its_start_but_for_short_ones(
    start: int, seconds: int
) -> None:
    ahead = lead(start, start + seconds)
    assert 5 * MINUTE <= ahead <= 3 * DAY
    assert ahead <= seconds or seconds < 5 * MINUTE


@given(st.lists(st.sampled_from(Severity), max_size=5))
def test_every_due_instant_that_is_asked_for_is_noted_once(severities: list[Severity]) -> None:
    records = [assigned(severity, at) for at, severity in enumerate(severities, 1)]
    one = incident(*records, first=BY_CUSTOMER)
    reckoning = Reckoning(Schedule())
    incident_clocks(one, reckoning)
    keys = [(note.clock, note.severity, note.start) for note in reckoning.fresh]
    assert len(keys) == len(set(keys))
    again = Reckoning(Schedule(), reckoning.fresh)
    assert incident_clocks(one, again) == incident_clocks(one, Reckoning(Schedule()))
    assert not again.fresh


def test_a_note_says_by_which_days_it_was_computed() -> None:
    schedule = Schedule()
    note = schedule.note(
        Clock.INCIDENT_REPORT, Severity.SEV_1, parse_instant("2026-12-15T00:00:00Z")
    )
    assert isinstance(note, DueNote)
    assert note.fingerprint == schedule.holidays.fingerprint([2026, 2027])


def test_a_private_update_answers_as_well() -> None:
    told = Record(Step.UPDATE, OPENED_US + 1, EVE, "by telephone", Update(public=False))
    assert not the(Clock.INITIAL_RESPONSE, incident(told)).runs
