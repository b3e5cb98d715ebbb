"""Exported minutes are held against what the ledger committed to, day by day."""

from collections.abc import Sequence

import pytest

from server.journal.export import line_of
from server.ledger.entry import NewEntry
from server.uptime.ports import ClosedDay
from server.uptime.proof import MinutesProof, MinutesVerdict
from server.uptime.segment import ALL, DAY_MINUTES, PROBES, DaySums, Exceptional, Segment, root_of
from server.uptime.states import day_entries
from tests.server.ledger.entries import chain

DAY = 20_000


def segment(client: int, day: int, good: int = 5) -> Segment:
    lost = (Exceptional(day * DAY_MINUTES + 3, 1, 2),)
    return Segment(client, day, (DaySums(good, 2, 0, 1),), 0b1111, lost)


def closed(day: int, segments: Sequence[Segment], probes: Segment | None) -> ClosedDay:
    return ClosedDay(day, root_of(segments), len(segments), 9, 1, 0, probes)


FIRST = [segment(ALL, DAY), segment(1, DAY)]
SECOND = [segment(ALL, DAY + 1), segment(1, DAY + 1)]
LATE = [segment(ALL, DAY + 1, 8), segment(1, DAY + 1, 8)]
PROBED = segment(PROBES, DAY)
BEFORE = closed(DAY + 1, SECOND, None)
NEWS: list[NewEntry] = [
    *day_entries(closed(DAY, FIRST, PROBED), FIRST[0], None),
    *day_entries(BEFORE, SECOND[0], None),
    *day_entries(closed(DAY + 1, LATE, None), LATE[0], BEFORE),
    *day_entries(closed(DAY + 2, [], None), None, None),
]


def hold(*segments: Segment, more: bytes = b"") -> MinutesVerdict:
    proof = MinutesProof()
    for entry in chain(NEWS):
        proof.tell(entry)
    lines = [line_of(one.to_json()) for one in segments]
    return proof.hold([*lines, more] if more else lines)


def test_minutes_as_they_were_are_proved_and_missing_days_are_counted() -> None:
    assert hold(PROBED, *FIRST, *LATE) == MinutesVerdict(2, 0, None)
    assert hold(PROBED, *FIRST) == MinutesVerdict(1, 1, None)
    assert hold() == MinutesVerdict(0, 2, None)


@pytest.mark.parametrize(
    ("segments", "sequence"),
    [
        ([PROBED, FIRST[0], segment(1, DAY, 6)], 1),
        ([PROBED, FIRST[0]], 1),
        (FIRST, 1),
        ([segment(PROBES, DAY, 6), *FIRST], 1),
        ([PROBED, *FIRST, *SECOND], 4),
        ([PROBED, *FIRST, segment(1, DAY + 3)], 0),
        ([PROBED, *FIRST, *LATE, PROBED, *FIRST], 0),
    ],
)
def test_minutes_that_are_others_are_named(segments: list[Segment], sequence: int) -> None:
    fault = hold(*segments).fault
    assert fault is not None
    assert fault.sequence == sequence


def test_what_is_no_segment_is_refused() -> None:
    fault = hold(PROBED, *FIRST, more=b"{}").fault
    assert fault is not None
    assert "line 4" in fault.what
