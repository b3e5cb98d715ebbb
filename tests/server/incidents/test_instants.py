"""A time names one instant, or it is asked back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.instants import InstantError, parse_instant, parse_local, write_instant

STOCKHOLM = ZoneInfo("Europe/Stockholm")


@given(st.integers(-62135596800, 253402300799))
def test_what_is_written_is_read_back(instant: int) -> None:
    assert parse_instant(write_instant(instant)) == instant


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - a wall's
        lambda moment: moment.replace(microsecond=0)
    )
)
def test_a_time_on_the_wall_is_the_instant_that_shows_it_or_is_refused(moment: datetime) -> None:
    shown = [
        instant
        for hours in (1, 2)
        if datetime.fromtimestamp(
            instant := int(moment.replace(tzinfo=UTC).timestamp()) - hours * 3600, STOCKHOLM
        ).replace(tzinfo=None)
        == moment
    ]
    try:
        instant = parse_local(moment.isoformat(), STOCKHOLM)
    except InstantError:
        assert len(shown) != 1
    else:
        assert shown == [instant]


def test_a_time_that_the_clocks_leap_over_is_asked_back_with_its_neighbours() -> None:
    with pytest.raises(InstantError) as caught:
        parse_local("2026-03-29T02:30:00", STOCKHOLM)
    assert "does not exist in Europe/Stockholm" in str(caught.value)
    assert "2026-03-29T01:30:00+01:00 and 2026-03-29T03:30:00+02:00" in str(caught.value)


def test_a_time_that_comes_twice_is_asked_back_with_both() -> None:
    with pytest.raises(InstantError) as caught:
        parse_local("2026-10-25T02:30:00", STOCKHOLM)
    assert "2026-10-25T02:30:00+02:00 and 2026-10-25T02:30:00+01:00" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "today", "2026-13-01T00:00:00Z", "2026-09-01T00:00:00", "2026-09-01T00:00:00.5Z", 5],
)
def test_what_is_no_instant_is_refused(text: object) -> None:
    with pytest.raises(InstantError):
        parse_instant(text)
