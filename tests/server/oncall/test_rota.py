"""Whose turn it is: a week each, on the wall of a zone, with what people swapped."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from server.incidents.intervals import Span
from server.oncall.rota import Override, Rota
from tests.server.oncall.rotas import ROTA, at

NAMES = ("anna", "bo", "cilla", "dag")


def test_a_turn_begins_and_ends_at_the_hand_over_to_the_second() -> None:
    assert ROTA.on_call(at("2026-11-02T08:00:00Z")) == "anna"
    assert ROTA.on_call(at("2026-11-09T07:59:59Z")) == "anna"
    assert ROTA.on_call(at("2026-11-09T08:00:00Z")) == "bo"
    assert ROTA.on_call(at("2026-11-23T08:00:00Z")) == "anna"
    assert ROTA.on_call(at("2026-11-02T07:59:59Z")) == "cilla"


def test_the_hand_over_is_at_nine_on_the_wall_in_summer_too() -> None:
    # The clocks go forward on 2027-03-28: nine in the morning is seven UTC from then on.
    assert ROTA.on_call(at("2027-03-29T06:59:59Z")) != ROTA.on_call(at("2027-03-29T07:00:00Z"))
    assert ROTA.on_call(at("2027-03-22T07:59:59Z")) != ROTA.on_call(at("2027-03-22T08:00:00Z"))


def test_an_override_holds_for_its_seconds_and_the_last_one_of_several() -> None:
    night = Span(at("2026-11-04T20:00:00Z"), at("2026-11-05T06:00:00Z"))
    hour = Span(at("2026-11-05T00:00:00Z"), at("2026-11-05T01:00:00Z"))
    rota = ROTA._replace(overrides=(Override("bo", night), Override("cilla", hour)))
    assert rota.shifts(Span(at("2026-11-04T00:00:00Z"), at("2026-11-06T00:00:00Z"))) == [
        (Span(at("2026-11-04T00:00:00Z"), night.start), "anna"),
        (Span(night.start, hour.start), "bo"),
        (hour, "cilla"),
        (Span(hour.end, night.end), "bo"),
        (Span(night.end, at("2026-11-06T00:00:00Z")), "anna"),
    ]


def test_next_is_somebody_else_as_long_as_there_is_somebody_else() -> None:
    monday = at("2026-11-02T08:00:00Z")
    assert ROTA.next_up(monday) == "bo"
    taken = ROTA._replace(overrides=(Override("bo", Span(monday, monday + 60)),))
    assert (taken.on_call(monday), taken.next_up(monday)) == ("bo", "cilla")
    assert ROTA._replace(turns=("anna",)).next_up(monday) == "anna"
    assert ROTA._replace(turns=("anna", "anna", "bo")).next_up(monday) == "bo"


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(["UTC", "Europe/Stockholm", "America/Los_Angeles", "Pacific/Apia"]),
    hour=st.integers(0, 23),
    turns=st.lists(st.sampled_from(NAMES), min_size=1, max_size=5),
    start=st.integers(1_700_000_000, 1_900_000_000),
    days=st.integers(1, 60),
    swaps=st.lists(
        st.tuples(st.sampled_from(NAMES), st.integers(-90_000, 2_000_000), st.integers(1, 900_000)),
        max_size=4,
    ),
)
def test_shifts_have_no_gap_and_say_what_each_instant_says(
    *,
    zone: str,
    hour: int,
    turns: list[str],
    start: int,
    days: int,
    swaps: list[tuple[str, int, int]],
) -> None:
    overrides = [
        Override(name, Span(start + begin, start + begin + long)) for name, begin, long in swaps
    ]
    rota = Rota(ZoneInfo(zone), date(2026, 11, 2), time(hour), tuple(turns), tuple(overrides))
    span = Span(start, start + days * 86_400)
    shifts = rota.shifts(span)
    assert shifts[0][0].start == span.start
    assert shifts[-1][0].end == span.end
    for (one, person), (after, other) in itertools.pairwise(shifts):
        assert one.end == after.start
        assert person != other
    for one, person in shifts:
        for instant in (one.start, (one.start + one.end) // 2, one.end - 1):
            assert rota.on_call(instant) == person


@settings(max_examples=100, deadline=None)
@given(instant=st.integers(1_600_000_000, 2_000_000_000), hour=st.integers(0, 23))
def test_the_turn_is_the_one_that_counting_weeks_from_the_first_hand_over_finds(
    instant: int, hour: int
) -> None:
    zone = ZoneInfo("Europe/Stockholm")
    rota = Rota(zone, date(2026, 11, 2), time(hour), NAMES)
    wall = datetime.fromtimestamp(instant, UTC).astimezone(zone).replace(tzinfo=None)
    # Weeks on the wall; an hour that exists twice or never is at another time of a Sunday.
    gone = wall - datetime.combine(rota.first, rota.hand_over)
    assert rota.on_call(instant) == NAMES[(gone // timedelta(days=7)) % len(NAMES)]
