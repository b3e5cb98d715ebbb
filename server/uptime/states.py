"""Uptime as the ledger tells of it."""

from server.journal.acts import State
from server.ledger.entry import Kind, NewEntry
from server.uptime.ports import ClosedDay
from server.uptime.segment import Segment, day_name

LATE = "rolled up again: counts came late, or others are left out of totals"


def day_entries(
    day: ClosedDay, together: Segment | None, known: ClosedDay | None
) -> list[NewEntry]:
    """Return what the ledger is told when a day is closed, or closed again with other segments."""
    entries = []
    if known is None or (known.root, known.requests) != (day.root, day.requests):
        entries.append(_minutes(day, together, known))
    if day.probes is not None and (known is None or known.probes != day.probes):
        payload: State = {"probes": day.probes.to_json()}
        if known is None:
            entries.append(NewEntry(Kind.PROBES, day_name(day.day), payload))
        else:
            entries.append(_amended(day, {**payload, "reason": LATE}))
    return entries


def _minutes(day: ClosedDay, together: Segment | None, known: ClosedDay | None) -> NewEntry:
    payload: State = {
        "min_requests": day.min_requests,
        "notice_s": day.notice_s,
        "segments": day.segments,
        "requests": day.requests,
        "root": day.root.hex(),
        "together": None if together is None else together.to_json(),
    }
    if known is None:
        return NewEntry(Kind.MINUTES, day_name(day.day), payload)
    return _amended(day, {**payload, "before": known.root.hex(), "reason": LATE})


def _amended(day: ClosedDay, payload: State) -> NewEntry:
    return NewEntry(Kind.AMENDMENT, f"day {day_name(day.day)}", payload)
