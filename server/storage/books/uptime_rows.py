"""Segments as rows: the sums of their days and the exceptional minutes as JSON, bits packed."""

import json
from typing import Any

from sqlalchemy import Row

from server.uptime.segment import (
    DAY_MINUTES,
    DaySums,
    Exceptional,
    Segment,
    Stretch,
    pack_bits,
    unpack_bits,
)


def segment_row(segment: Segment) -> dict[str, Any]:
    """Return a segment as its row; `row_segment` is the inverse."""
    days = [None if one is None else list(one) for one in segment.days]
    # Relative to the first minute: a few digits each instead of eight.
    exceptions = [[one.minute - segment.first, one.good, one.bad] for one in segment.exceptions]
    return {
        "client_id": segment.client_id,
        "first_day": segment.first_day,
        "end_day": segment.first_day + len(segment.days),
        "days": _packed(days),
        "seen": pack_bits(segment.seen, segment.minutes),
        "exceptions": _packed(exceptions),
    }


def row_segment(row: Row[Any]) -> Segment:
    """Read a segment's row."""
    return Segment(
        row.client_id,
        row.first_day,
        tuple(None if one is None else DaySums(*one) for one in json.loads(row.days)),
        int.from_bytes(unpack_bits(row.seen), "little"),
        _exceptions(row.exceptions, row.first_day),
    )


def read_stretch(client_id: int, first_day: int, seen: bytes, exceptions: str) -> Stretch:
    """Read what a figure needs of a segment's row: there are many thousands of them for a term."""
    return Stretch(client_id, first_day, unpack_bits(seen), _exceptions(exceptions, first_day))


def _exceptions(text: str, first_day: int) -> tuple[Exceptional, ...]:
    if text == "[]":
        return ()
    first = first_day * DAY_MINUTES
    return tuple(Exceptional(minute + first, good, bad) for minute, good, bad in json.loads(text))


def _packed(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
