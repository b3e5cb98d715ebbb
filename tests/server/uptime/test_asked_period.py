"""Periods as people name them, on the wall of the report's zone."""

from zoneinfo import ZoneInfo

import pytest

from server.accounts.text import InputError
from server.incidents.instants import parse_instant, write_instant
from server.uptime.asked_period import Kind, asked_period

UTC, STOCKHOLM = ZoneInfo("UTC"), ZoneInfo("Europe/Stockholm")
NOW = parse_instant("2026-11-30T23:30:00Z")


@pytest.mark.parametrize(
    ("kind", "of", "zone", "start", "end"),
    [
        (Kind.MONTH, "2026-02", UTC, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        (Kind.MONTH, None, UTC, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        (Kind.MONTH, None, STOCKHOLM, "2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z"),
        # The month in which the clocks go forward has an hour less, and no window moves with it.
        (Kind.MONTH, "2026-03", STOCKHOLM, "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        (Kind.QUARTER, "2026-Q4", UTC, "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (Kind.QUARTER, None, UTC, "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (Kind.TERM, "2024-02-29", UTC, "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z"),
        (Kind.ROLLING, None, UTC, "2026-10-31T23:30:00Z", "2026-11-30T23:30:00Z"),
        (Kind.ROLLING, "2026-10-31", UTC, "2026-10-02T00:00:00Z", "2026-11-01T00:00:00Z"),
    ],
)
def test_a_period_has_the_edges_of_its_calendar(
    kind: Kind, of: str | None, zone: ZoneInfo, start: str, end: str
) -> None:
    found = asked_period(kind, of, NOW, zone)
    assert (write_instant(found.start), write_instant(found.end)) == (start, end)


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        (Kind.MONTH, "2026-13"),
        (Kind.MONTH, "0000-01"),
        (Kind.MONTH, "2026-Q1"),
        (Kind.MONTH, "\u0662026-01"),
        (Kind.QUARTER, "2026-Q5"),
        (Kind.TERM, None),
        (Kind.TERM, "2026-02-30"),
        (Kind.TERM, "20260201"),
        (Kind.ROLLING, "9999-12-31"),
        (Kind.QUARTER, "9999-Q4"),
    ],
)
def test_what_names_no_period_is_refused(kind: Kind, of: str | None) -> None:
    with pytest.raises(InputError):
        asked_period(kind, of, NOW, UTC)
