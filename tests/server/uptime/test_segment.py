"""A segment comes back as it was, from its export, its row and a month."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.journal.canonical import MalformedError
from server.storage.books.uptime_rows import row_segment, segment_row
from server.uptime.segment import (
    DAY_MINUTES,
    DaySums,
    Exceptional,
    Segment,
    day_name,
    join,
    month_of,
    pack_bits,
    parse_day,
    root_of,
    unpack_bits,
)

DAY = 20_000
bits = st.integers(0, (1 << DAY_MINUTES) - 1)
sums = st.builds(DaySums, *[st.integers(0, 10**9)] * 3, st.integers(1, 9))


@st.composite
def segments(draw: st.DrawFn, day: int = DAY) -> Segment:
    at = sorted(draw(st.sets(st.integers(0, DAY_MINUTES - 1), max_size=4)))
    exceptions = tuple(
        Exceptional(day * DAY_MINUTES + one, draw(st.integers(0, 99)), draw(st.integers(1, 99)))
        for one in at
    )
    return Segment(7, day, (draw(sums),), draw(bits), exceptions)


def read_back(segment: Segment) -> Segment:
    return row_segment(cast("Any", SimpleNamespace(**segment_row(segment))))


@given(segments())
@settings(max_examples=50)
def test_a_day_comes_back_from_its_line_and_its_row(segment: Segment) -> None:
    line = json.dumps(segment.to_json())
    assert Segment.of_json(json.loads(line)) == segment
    assert read_back(segment) == segment


@given(segments(DAY), segments(DAY + 2))
@settings(max_examples=50)
def test_a_month_holds_its_days_without_loss(first: Segment, second: Segment) -> None:
    month = join([second, first], DAY - 1, 30)
    assert read_back(month) == month
    days = [month.day(day) for day in range(DAY - 1, DAY + 3)]
    assert days == [None, first, None, second]
    assert root_of([first]) == root_of([one for one in days[:2] if one])


@given(bits)
def test_bits_are_packed_and_unpacked(value: int) -> None:
    packed = pack_bits(value, DAY_MINUTES)
    assert int.from_bytes(unpack_bits(packed), "little") == value
    assert len(packed) <= DAY_MINUTES // 8 + 1


def test_a_day_alike_from_end_to_end_is_a_few_octets() -> None:
    assert len(pack_bits((1 << DAY_MINUTES) - 1, DAY_MINUTES)) < 20
    with pytest.raises(MalformedError):
        unpack_bits(b"znonsense")


def test_the_root_does_not_depend_on_the_order_and_sees_every_change() -> None:
    one = Segment(1, DAY, (DaySums(1, 0, 0, 1),), 1, ())
    other = one._replace(client_id=2)
    assert root_of([one, other]) == root_of([other, one])
    assert root_of([one]) != root_of([one, other])
    assert root_of([one._replace(seen=3)]) != root_of([one])


@pytest.mark.parametrize(
    "change",
    [
        {"day": "2024-13-01"},
        {"day": "20241001"},
        {"good": -1},
        {"good": 2**53},
        {"seen": "00"},
        {"exceptions": [[1, 0, 1]]},
        {"exceptions": [[DAY * DAY_MINUTES, 1]]},
        {"exceptions": [[DAY * DAY_MINUTES, 1, 0]]},
        {"exceptions": [[DAY * DAY_MINUTES, 1, True]]},
        {"exceptions": [[DAY * DAY_MINUTES + 1, 0, 1], [DAY * DAY_MINUTES, 0, 1]]},
        {"more": 1},
    ],
)
def test_another_form_is_refused(change: dict[str, object]) -> None:
    line = Segment(1, DAY, (DaySums(1, 0, 0, 1),), 1, ()).to_json() | change
    with pytest.raises(MalformedError):
        Segment.of_json(line)


def test_days_and_months_of_the_calendar() -> None:
    assert (day_name(0), day_name(DAY)) == ("1970-01-01", "2024-10-04")
    assert parse_day("2024-10-04") == DAY
    assert month_of(DAY) == (DAY - 3, 31)
    assert month_of(parse_day("2024-02-29")) == (parse_day("2024-02-01"), 29)
