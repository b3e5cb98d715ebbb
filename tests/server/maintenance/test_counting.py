"""What of maintenance counts: only what was announced in time, however plans change."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from server.accounts.text import InputError
from server.incidents.availability import Case, Incident, compute
from server.incidents.intervals import Span, length
from server.maintenance import decisions
from server.maintenance.counting import Phase, counting_spans, next_edge, phase_at, windows
from server.maintenance.decisions import Changes, MaintenanceStateError
from server.maintenance.plan import Component, Maintenance
from tests.server.maintenance.histories import HOUR, T0, US, a_plan, announced, changed, do

START, END = a_plan().span


def counted(*known: Maintenance, notice_s: int = 0) -> list[Span]:
    return counting_spans(known, Component.VALIDATION, notice_s)


def test_a_window_counts_that_was_announced_before_it() -> None:
    assert counted(announced()) == [Span(START, END)]
    assert counted(announced(at=START - 0.1)) == [Span(START, END)]
    assert counting_spans([announced()], Component.UPLOAD, 0) == []


def test_a_draft_counts_for_nothing() -> None:
    draft = do(None, decisions.schedule(a_plan(), announce=False), T0)
    assert windows(draft) == []
    assert counted(do(draft, decisions.announce, T0 + 60)) == [Span(START, END)]


def test_notice_is_kept_to_the_second() -> None:
    assert counted(announced(at=START - HOUR - 1), notice_s=HOUR) == [Span(START, END)]
    assert counted(announced(at=START - HOUR), notice_s=HOUR) == []


def test_what_was_called_off_in_time_does_not_count() -> None:
    assert counted(do(announced(), decisions.cancel, START)) == []


def test_an_overrun_is_downtime_and_an_extension_before_the_old_end_is_not() -> None:
    begun = do(announced(), decisions.begin, START)
    finished = do(begun, decisions.finish, END + HOUR)
    assert counted(finished) == [Span(START, END)]
    extended = changed(begun, END - 1, end=END + HOUR)
    assert counted(extended) == [Span(START, END + HOUR)]
    parts = [(window.span, window.announced_at) for window in windows(extended)]
    assert parts == [(Span(START, END), T0), (Span(END, END + HOUR), END - 1)]
    assert counted(extended, notice_s=60) == [Span(START, END)]


def test_seconds_that_were_announced_in_time_stay_so_when_the_plan_moves() -> None:
    late = changed(announced(), START - 30, start=START + HOUR, end=END + HOUR)
    assert counted(late, notice_s=60) == [Span(START + HOUR, END + HOUR)]
    early = changed(announced(), START - 90, start=START - 60)
    assert counted(early, notice_s=60) == [Span(START, END)]
    assert counted(early) == [Span(START - 60, END)]


def test_what_a_change_takes_back_does_not_count_but_stays_on_record() -> None:
    shorter = changed(announced(), T0 + 60, end=END - 60)
    assert counted(shorter) == [Span(START, END - 60)]
    taken = windows(shorter)[-1]
    assert (taken.span, taken.announced_at, taken.cancelled_at) == (
        Span(END - 60, END),
        T0,
        T0 + 60,
    )
    again = changed(shorter, T0 + 90, end=END)
    assert [window.announced_at for window in windows(again) if window.counts()] == [T0, T0 + 90]


def test_an_outage_within_maintenance_is_left_out_and_its_overrun_is_not() -> None:
    begun = do(announced(), decisions.begin, START)
    case = Case(
        Span(T0, T0 + 24 * HOUR),
        T0 + 24 * HOUR,
        [Incident(START, END + 600, Fraction(1))],
        windows(begun),
    )
    result = compute(case)
    assert result.maintenance_s == END - START
    assert result.downtime_s == 600


def test_the_phase_is_that_of_the_second() -> None:
    spans = counted(announced())
    found = [phase_at(spans, at) for at in (START - 1, START, END - 1, END)]
    assert found == [Phase.SERVICE, Phase.MAINTENANCE, Phase.MAINTENANCE, Phase.SERVICE]
    assert [next_edge(spans, at) for at in (T0, START - 1, START, END)] == [START, START, END, None]
    assert phase_at([], T0) is Phase.SERVICE


moves = st.lists(
    st.tuples(
        st.integers(0, 60_000).map(lambda ms: T0 + ms / 1000),
        st.integers(-5, 60),
        st.integers(-5, 60),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(moves, st.integers(0, 8))
def test_a_second_counts_exactly_if_everybody_had_been_told_of_it_in_time(
    steps: list[tuple[float, int, int, bool]], notice_s: int
) -> None:
    """A second at a time: told, without a break, since before the notice of where its part begins.

    What was told first of a second is looked up in the history itself, plan by plan.
    """
    known: Maintenance | None = None
    for at, start, end, cancels in sorted(steps):
        if known is None:
            decision = decisions.schedule(a_plan(T0 + start, T0 + end), announce=True)
        elif cancels:
            decision = decisions.cancel
        else:
            decision = decisions.change(Changes(start=T0 + start, end=T0 + end))
        try:
            known = do(known, decision, at)
        except (InputError, MaintenanceStateError):
            continue
    if known is None:
        return
    spans = counted(known, notice_s=notice_s)
    assert length(spans) == length(set(spans))
    for second in range(T0 - 10, T0 + 70):
        in_time = _told_since(known, second)
        stands = in_time is not None
        if notice_s == 0:
            assert (phase_at(spans, second) is Phase.MAINTENANCE) == stands
        elif phase_at(spans, second) is Phase.MAINTENANCE:
            assert stands


def _told_since(known: Maintenance, second: int) -> int | None:
    """Return since when the last plan was announced to have this second, None when it has not."""
    since: int | None = None
    for record in known.public:
        has = record.plan.span.start <= second < record.plan.span.end
        if record.step.value == "cancelled" or not has:
            since = None
        elif since is None:
            since = record.at_us
    assert since is None or since < (second + 1) * US
    return since
