"""Days as bars: whatever was lost or is unknown can be seen, and nothing else is drawn."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from server.status.bars import HEIGHT, STEP, columns, is_plain, tell
from server.status.snapshot import Bar
from tests.server.status.samples import DAY_S, bar, eventful_bars


@st.composite
def days(draw: st.DrawFn) -> Bar:
    period_s = draw(st.sampled_from([0, 1, 60, 72_845, DAY_S]))
    maintenance_s = draw(st.integers(0, period_s))
    unknown_s = draw(st.integers(0, period_s - maintenance_s))
    downtime_s = draw(st.fractions(0, period_s - maintenance_s - unknown_s))
    return bar(
        period_s=period_s,
        maintenance_s=maintenance_s,
        unknown_s=unknown_s,
        downtime_s=downtime_s,
    )


@given(days())
def test_a_bar_is_full_and_shows_each_thing_that_there_is(day: Bar) -> None:
    (column,) = columns([day])
    kinds = {piece.kind for piece in column.pieces}
    assert sum(piece.height for piece in column.pieces) == HEIGHT
    assert all(piece.height > 0 for piece in column.pieces)
    assert bool(kinds & {"some", "bad"}) == bool(day.downtime_s)
    assert ("maintenance" in kinds) == bool(day.maintenance_s)
    assert ("unknown" in kinds) == bool(day.unknown_s)
    assert ("none" in kinds) == (not day.period_s)
    told = day.downtime_s + day.maintenance_s + day.unknown_s
    assert ("well" in kinds) == (told < day.period_s)
    tops = sorted((piece.top, piece.height) for piece in column.pieces)
    assert [top for top, _ in tops[1:]] == [top + height for top, height in tops[:-1]]


def test_a_day_that_nobody_knows_of_is_no_good_day() -> None:
    (column,) = columns([bar(unknown_s=DAY_S)])
    assert [piece.kind for piece in column.pieces] == ["unknown"]
    assert not is_plain(bar(unknown_s=1))


def test_five_percent_of_what_was_promised_make_a_bad_day() -> None:
    half = bar(maintenance_s=DAY_S // 2, downtime_s=2160)
    (column,) = columns([half])
    assert column.pieces[0].kind == "bad"
    (column,) = columns([replace(half, downtime_s=half.downtime_s - 1)])
    assert column.pieces[0].kind == "some"


def test_bars_stand_side_by_side_and_say_what_they_show() -> None:
    drawn = columns(eventful_bars())
    assert [column.left for column in drawn] == [STEP * at for at in range(90)]
    assert drawn[0].text == "30 August 2026: nothing was recorded yet"
    assert drawn[-1].text == "27 November 2026: nothing was lost"
    assert tell(bar(downtime_s=61, maintenance_s=5400, unknown_s=600)) == (
        "1 min 1 s lost, 1 h 30 min of announced maintenance, 10 min of which nothing is known"
    )
