"""Segments as rows: the sums of their days and the exceptional minutes as JSON, bits packed."""

import json
from typing import Any

from sqlalchemy import Row

from server.uptime.segment import DAY_MINUTES, DaySums, Exceptional, Segment, pack_bits, unpack_bits


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
    first = row.first_day * DAY_MINUTES
    exceptions = row.exceptions
    return Segment(
        row.client_id,
        row.first_day,
        tuple(None if one is None else DaySums(*one) for one in json.loads(row.days)),
        unpack_bits(row.seen),
        ()
        if exceptions == "[]"
        else tuple(
            Exceptional(minute + first, good, bad) for minute, good, bad in json.loads(exceptions)
        ),
    )


def _packed(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
