"""The contractual figure is exact, whatever overlaps, touches, is open or was cancelled."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.incidents.availability import Availability, Case, Incident, Verdict, Window, compute
from server.incidents.cases import read_case, read_minutes, write_availability, write_minutes
from server.incidents.intervals import Span
from server.incidents.minutes import Minute, Rule, impact, summarise
from server.incidents.periods import month

VECTORS = json.loads((Path(__file__).parent / "vectors" / "availability.json").read_text())
HOUR = 3600
DAY = 24 * HOUR
WHOLE = Fraction(1)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["id"])
def test_a_vector_comes_out_to_the_letter(vector: dict[str, Any]) -> None:
    assert write_availability(compute(read_case(vector))) == vector["expected"]


@pytest.mark.parametrize("vector", VECTORS["slice_vectors"], ids=lambda vector: vector["id"])
def test_a_vector_of_minutes_comes_out_to_the_letter(vector: dict[str, Any]) -> None:
    minutes, rule = read_minutes(vector)
    assert write_minutes(summarise(minutes, rule)) == vector["expected"]


def second_by_second(case: Case) -> tuple[int, int, Fraction]:
    """Return maintenance, unknown and downtime by looking at every second for itself."""
    maintenance = unknown = 0
    downtime = Fraction(0)
    for second in range(case.period.start, min(case.period.end, case.as_of)):
        if any(
            w.counts(case.notice_s) and w.span.start <= second < w.span.end
            for w in case.maintenance
        ):
            maintenance += 1
            continue
        impacts = [
            incident.impact
            for incident in case.incidents
            if incident.start <= second < (case.as_of if incident.end is None else incident.end)
        ]
        if impacts:
            downtime += max(impacts)
        elif any(span.start <= second < span.end for span in case.unknown):
            unknown += 1
    return maintenance, unknown, downtime


instants = st.integers(0, 60)
spans = st.tuples(instants, instants).map(lambda ends: Span(min(ends), max(ends)))
impacts = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 3), Fraction(1, 10)])
incidents = st.tuples(spans, st.booleans(), impacts).map(
    lambda one: Incident(one[0].start, None if one[1] else one[0].end, one[2])
)
windows = st.builds(Window, spans, st.none() | st.integers(-5, 60), st.none() | st.integers(-5, 60))
cases = st.builds(
    Case,
    spans,
    st.integers(-5, 70),
    st.lists(incidents, max_size=6),
    st.lists(windows, max_size=4),
    st.lists(spans, max_size=4),
    notice_s=st.integers(0, 3),
)


@settings(max_examples=10_000)
@given(cases)
def test_intervals_agree_with_looking_at_every_second(case: Case) -> None:
    result = compute(case)
    assert (result.maintenance_s, result.unknown_s, result.downtime_s) == second_by_second(case)
    assert result.period_s == result.known_s + result.unknown_s + result.maintenance_s


@settings(max_examples=500)
@given(cases)
def test_the_bounds_hold_the_figure_between_them(case: Case) -> None:
    result = compute(case)
    if result.low is None or result.high is None:
        assert result.verdict is Verdict.NO_ELIGIBLE_TIME
        return
    assert 0 <= result.low <= result.high <= 1
    if result.availability is not None:
        assert result.low <= result.availability <= result.high
    if not result.unknown_s:
        assert result.verdict is not Verdict.INDETERMINATE


SEPTEMBER = month(2026, 9)


def september(
    *lost: Incident, maintenance: Sequence[Window] = (), unknown: Sequence[Span] = ()
) -> Availability:
    """Return September 2026 with these incidents."""
    return compute(Case(SEPTEMBER, SEPTEMBER.end, lost, maintenance, unknown))


def test_a_milder_incident_that_ends_later_does_not_shorten_an_outage() -> None:
    outage = Incident(SEPTEMBER.start, SEPTEMBER.start + HOUR, WHOLE)
    milder = Incident(SEPTEMBER.start + 10, SEPTEMBER.start + 2 * HOUR, Fraction(1, 10))
    assert september(outage, milder).downtime_s == HOUR + Fraction(HOUR, 10)


def test_2593_seconds_in_september_are_a_breach_that_rounding_would_hide() -> None:
    at_target = september(Incident(SEPTEMBER.start, SEPTEMBER.start + 2592, WHOLE))
    beyond = september(Incident(SEPTEMBER.start, SEPTEMBER.start + 2593, WHOLE))
    assert (at_target.verdict, beyond.verdict) == (Verdict.MET, Verdict.BREACHED)
    assert write_availability(beyond)["availability"] == "0.998999"


def test_forty_silent_days_are_unknown_and_not_up() -> None:
    term = Span(0, 40 * DAY)
    result = compute(Case(term, term.end, unknown=[term]))
    assert result.availability is None
    assert result.coverage == 0
    assert result.verdict is Verdict.INDETERMINATE


def test_one_idle_gap_leaves_the_figure_a_number() -> None:
    result = september(unknown=[Span(SEPTEMBER.start, SEPTEMBER.start + 60)])
    assert result.availability == 1
    assert result.verdict is Verdict.MET


def test_maintenance_is_neither_up_nor_down() -> None:
    span = Span(SEPTEMBER.start + HOUR, SEPTEMBER.start + 2 * HOUR)
    result = september(
        Incident(span.start, span.end, WHOLE),
        maintenance=[Window(span, announced_at=SEPTEMBER.start, cancelled_at=None)],
    )
    assert not result.downtime_s
    assert result.eligible_s == SEPTEMBER.seconds - HOUR


@pytest.mark.parametrize(
    ("announced", "cancelled", "counts"),
    [(99, None, True), (100, None, False), (None, None, False), (50, 100, False), (50, 101, True)],
)
def test_maintenance_counts_when_it_was_announced_before_and_stood(
    announced: int | None,
    cancelled: int | None,
    counts: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    assert Window(Span(100, 200), announced, cancelled).counts() is counts


def test_an_overrun_is_downtime_and_an_announced_extension_is_not() -> None:
    window = Window(Span(100, 200), 0, None)
    extension = Window(Span(200, 250), 150, None)
    work = Incident(100, 300, WHOLE)
    period = Span(0, 1000)
    assert compute(Case(period, 1000, [work], [window])).downtime_s == 100
    assert compute(Case(period, 1000, [work], [window, extension])).downtime_s == 50


def test_what_probes_repeat_faster_weighs_no_more() -> None:
    slow = [Minute(0, 0, 0, 1), Minute(0, 0, 1, 0)]
    fast = [Minute(0, 0, 0, 60), Minute(0, 0, 1, 0)]
    assert summarise(slow, Rule()) == summarise(fast, Rule())


def test_few_requests_leave_the_minute_to_the_probe() -> None:
    rule = Rule(min_requests=10)
    assert impact(Minute(0, 9, 1, 0), rule) == 0
    assert impact(Minute(0, 9, 0, 1), rule) == 1
    assert impact(Minute(0, 9, 0, 0), rule) is None
    assert impact(Minute(0, 10, 1, 0), rule) == 1


def test_a_threshold_makes_a_minute_whole_or_nothing() -> None:
    rule = Rule(bad_ratio=Fraction(1, 20))
    assert impact(Minute(95, 5, 0, 0), rule) == 1
    assert impact(Minute(96, 4, 0, 0), rule) == 0
