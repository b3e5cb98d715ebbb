"""Figures from rolled-up minutes: to the second what stepping through them gives."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from server.incidents.availability import Incident, Verdict, Window
from server.incidents.intervals import Span
from server.incidents.minutes import Minute, Rule, impact
from server.incidents.record import Amendment
from server.uptime.figures import LONG_RUN_S, Bits, Frame, Piece, Question
from server.uptime.segment import DAY_MINUTES, Exceptional
from tests.server.uptime.worlds import (
    CLIENT,
    DAY,
    LENGTH_MINUTES,
    START_S,
    World,
    impacts,
    spans,
    worlds,
)


def stepped(world: World) -> tuple[int, int, Fraction]:
    """Return the seconds of maintenance, the unknown and the lost ones, one second at a time."""
    maintenance = unknown = 0
    lost = Fraction(0)
    question = world.question
    windows = [one.span for one in question.maintenance if one.counts(question.notice_s)]
    rule = Rule(world.min_requests)
    for now in range(question.period.start, min(question.period.end, question.as_of)):
        if any(start <= now < end for start, end in windows):
            maintenance += 1
            continue
        amended = [one for one in world.amendments if one.start <= now < one.end]
        if amended:
            lost += amended[-1].impact
            continue
        measured = impact(world.minutes[(now - START_S) // 60], rule)
        confirmed = [
            one.impact
            for one in world.losses
            if one.start <= now < (question.as_of if one.end is None else one.end)
        ]
        if measured is None and not confirmed:
            unknown += 1
        lost += max([*confirmed, measured or Fraction(0)])
    return maintenance, unknown, lost


@given(worlds)
@settings(max_examples=400, deadline=None)
def test_every_second_counts_as_the_rule_has_it(world: World) -> None:
    found = Frame(world.question, world.probes).availability(
        world.own, world.losses, world.amendments
    )
    assert (found.maintenance_s, found.unknown_s, found.downtime_s) == stepped(world)


grid = st.integers(0, LENGTH_MINUTES).map(lambda minute: START_S + minute * 60)
on_the_minute = st.tuples(grid, grid).map(lambda pair: Span(min(pair), max(pair)))
many_losses = st.lists(
    st.builds(
        lambda span, impact: Incident(span.start, span.end, impact), on_the_minute | spans, impacts
    ),
    max_size=5,
)
many_amendments = st.lists(
    st.builds(
        lambda span, impact: Amendment(span.start, span.end, impact), on_the_minute | spans, impacts
    ),
    max_size=3,
)


@given(worlds, many_losses, many_amendments)
@settings(max_examples=200, deadline=None)
def test_runs_of_minutes_under_many_losses_come_to_what_each_second_does(
    world: World, losses: list[Incident], amendments: list[Amendment]
) -> None:
    world = world._replace(losses=tuple(losses), amendments=tuple(amendments))
    for long_run_s in (0, 120, LONG_RUN_S):
        frame = Frame(world.question, world.probes, long_run_s=long_run_s)
        found = frame.availability(world.own, world.losses, world.amendments)
        assert (found.maintenance_s, found.unknown_s, found.downtime_s) == stepped(world)


def test_a_long_outage_is_the_same_run_by_run_and_second_by_second() -> None:
    minutes = 2 * DAY_MINUTES
    question = Question(Span(START_S, START_S + minutes * 60), START_S + minutes * 60)
    first, _ = question.grid
    exceptions = tuple(Exceptional(first + at, 9, at % 4) for at in range(1, minutes, 3))
    own = Bits(first, minutes, (1 << minutes) - 1 << 400 & (1 << minutes) - 1, exceptions)
    down = tuple(Exceptional(first + at, at % 2, 2) for at in range(600))
    probes = Bits(first, minutes, (1 << 600) - 1, down)
    outage = Incident(START_S + 90, START_S + minutes * 60 - 90, Fraction(1, 5))
    worse = Incident(START_S + 30_000, START_S + 60_000, Fraction(1, 3))
    again = Amendment(START_S + 100_001, START_S + 110_000, Fraction(1, 7))
    found = [
        Frame(question, probes, long_run_s=one).availability(own, (outage, worse), (again,))
        for one in (LONG_RUN_S, minutes * 60 + 1)
    ]
    assert found[0] == found[1]


def world_of(*minutes: Minute, **more: object) -> World:
    question = Question(Span(START_S, START_S + len(minutes) * 60), START_S + 10**6)
    question = question._replace(maintenance=more.pop("maintenance", ()))  # type: ignore[arg-type]
    return World(minutes, 1, question, (), ())._replace(**more)  # type: ignore[arg-type]


def lost(world: World) -> Fraction:
    frame = Frame(world.question, world.probes)
    return frame.availability(world.own, world.losses, world.amendments).downtime_s


GOOD, BAD, HALF = Minute(10, 0, 0, 0), Minute(0, 10, 0, 0), Minute(5, 5, 0, 0)
IDLE, PROBED, PROBED_DOWN = Minute(0, 0, 0, 0), Minute(0, 0, 2, 1), Minute(0, 0, 0, 2)


def test_downtime_does_not_vanish_when_a_person_confirms_less() -> None:
    world = world_of(GOOD, BAD, BAD, GOOD)
    milder = Incident(START_S + 60, START_S + 90, Fraction(1, 10))
    assert lost(world._replace(losses=(milder,))) == 120
    worse = Incident(START_S, START_S + 30, Fraction(1, 10))
    assert lost(world._replace(losses=(worse,))) == 123


def test_only_an_amendment_lowers_what_was_measured_and_the_last_one_holds() -> None:
    world = world_of(GOOD, BAD, BAD, GOOD)
    first = Amendment(START_S + 60, START_S + 180, Fraction(1, 2))
    second = Amendment(START_S + 60, START_S + 90, Fraction(0))
    assert lost(world._replace(amendments=(first,))) == 60
    assert lost(world._replace(amendments=(first, second))) == 45


def test_a_milder_overlapping_incident_that_ends_later_does_not_shorten_the_outage() -> None:
    world = world_of(GOOD, GOOD, GOOD, GOOD)
    outage = Incident(START_S, START_S + 120, Fraction(1))
    milder = Incident(START_S + 60, START_S + 240, Fraction(1, 10))
    assert lost(world._replace(losses=(outage, milder))) == 132


def test_retries_do_not_weigh_more_and_busy_minutes_weigh_the_same() -> None:
    assert lost(world_of(Minute(0, 10_000, 0, 0), Minute(1, 0, 0, 0))) == 60
    assert lost(world_of(Minute(0, 1, 0, 0), Minute(10_000, 0, 0, 0))) == 60


def test_silent_days_are_unknown_and_not_up() -> None:
    question = Question(Span(START_S, START_S + 40 * 86_400), START_S + 40 * 86_400)
    silent = Bits(*question.grid, 0, ())
    found = Frame(question, silent).availability(silent)
    assert (found.unknown_s, found.availability) == (40 * 86_400, None)
    assert found.verdict is Verdict.INDETERMINATE


def test_one_idle_gap_leaves_the_rest_of_thirty_days_a_figure() -> None:
    minutes = 30 * DAY_MINUTES
    question = Question(Span(START_S, START_S + minutes * 60), START_S + minutes * 60)
    first, _ = question.grid
    gap = ((1 << 60) - 1) << 5000
    own = Bits(first, minutes, (1 << minutes) - 1 & ~gap, ())
    found = Frame(question, Bits(first, minutes, 0, ())).availability(own)
    assert found.unknown_s == 3600
    assert found.availability == 1
    assert found.verdict is Verdict.INDETERMINATE
    assert found._replace(unknown_s=0).verdict is Verdict.MET


def test_maintenance_is_left_out_and_not_up() -> None:
    window = Window(Span(START_S + 60, START_S + 180), START_S - 60, None)
    world = world_of(GOOD, BAD, BAD, BAD, maintenance=[window])
    found = Frame(world.question, world.probes).availability(world.own)
    assert (found.maintenance_s, found.eligible_s) == (120, 120)
    assert found.downtime_s == 60
    unannounced = world_of(GOOD, BAD, BAD, BAD, maintenance=[window._replace(announced_at=None)])
    assert lost(unannounced) == 180


def test_a_minute_without_traffic_of_its_own_takes_the_probes_result() -> None:
    assert lost(world_of(IDLE, PROBED, PROBED_DOWN, HALF)) == 90
    found = Frame(world_of(IDLE, PROBED).question, world_of(IDLE, PROBED).probes)
    assert found.availability(world_of(IDLE, PROBED).own).unknown_s == 60


def test_a_clients_own_requests_speak_before_the_probes() -> None:
    assert lost(world_of(Minute(1, 0, 0, 2), Minute(0, 1, 2, 0))) == 60


def test_too_few_requests_do_not_speak_for_themselves() -> None:
    world = world_of(Minute(0, 2, 1, 0), Minute(0, 3, 1, 0))
    assert lost(world._replace(min_requests=3)) == 60


def test_the_exact_share_is_kept() -> None:
    world = world_of(Minute(2, 1, 0, 0), Minute(6, 1, 0, 0))
    assert lost(world) == Fraction(60, 3) + Fraction(60, 7)


def test_pieces_are_what_is_not_wholly_good_in_order() -> None:
    world = world_of(IDLE, IDLE, GOOD, HALF, PROBED_DOWN, PROBED)
    assert Frame(world.question, world.probes).pieces(world.own) == [
        Piece(Span(START_S, START_S + 120), None),
        Piece(Span(START_S + 180, START_S + 240), Fraction(1, 2)),
        Piece(Span(START_S + 240, START_S + 300), Fraction(1)),
    ]


def test_a_range_is_cut_out_of_a_longer_one() -> None:
    world = world_of(GOOD, BAD, GOOD, HALF, IDLE)
    whole, first = world.own, DAY * DAY_MINUTES
    part = whole.cut(first + 1, 3)
    assert part == Bits(first + 1, 3, 0b111, whole.exceptions)
    assert [one.minute - first for one in whole.cut(first + 2, 2).exceptions] == [3]
    assert world.segments[0].client_id == CLIENT
