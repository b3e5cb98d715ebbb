"""What reports without news write: their hosts' progress, and days that moved on."""

import json
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from server.fleet.hosts import Host
from server.fleet.intake import Intake
from server.storage.books.steps import Step

Pair: TypeAlias = tuple[str, str]
"""A key's id and a host's."""

_REPORTED = """
UPDATE fleet_host SET system = :system, "release" = :release, agent = :agent,
  software = :software, reported_us = :reported_us, sequence = :sequence, report_id = :report_id,
  dropped = :dropped, missing = :missing WHERE host_id = :host_id
"""
_SAID_AGAIN = """
UPDATE fleet_key SET said = :said, last_seen = :last_seen, whole = :whole WHERE key_id = :key_id
"""
_SEEN = """
UPDATE fleet_sighting SET last_day = :last_day, attached = :attached
  WHERE key_id = :key_id AND host_id = :host_id
"""


class LastSeen(NamedTuple):
    """A sighting as it is kept. day: ISO."""

    day: str
    attached: bool | None


def reported_steps(intake: Intake, now_us: int) -> list[Step]:
    """Return what notes how far hosts are."""
    rows = [
        _progress(intake.hosts[host_id], json.dumps(dict(report.software), sort_keys=True), now_us)
        for host_id, report in sorted(intake.reported.items())
    ]
    return [Step(_REPORTED, rows)] if rows else []


def _progress(host: Host, software: str, now_us: int) -> dict[str, object]:
    return {
        "host_id": host.host_id,
        "system": host.system,
        "release": host.release,
        "agent": host.agent,
        "software": software,
        "reported_us": now_us,
        "sequence": host.sequence,
        "report_id": host.report_id,
        "dropped": host.dropped,
        "missing": host.missing,
    }


def later_steps(intake: Intake) -> list[Step]:
    """Return what moves the days of keys of which nothing else is new."""
    rows = [
        {
            "key_id": key_id,
            "said": standing.said.isoformat(),
            "last_seen": standing.last_seen.isoformat(),
            "whole": standing.whole,
        }
        for key_id, standing in sorted(intake.later.items())
        if key_id not in intake.changed
    ]
    return [Step(_SAID_AGAIN, rows)] if rows else []


def moved_sightings(intake: Intake, known: Mapping[Pair, LastSeen]) -> dict[Pair, LastSeen]:
    """Return the sightings that are others now: most reports see what was seen an hour ago."""
    moved = {}
    for pair, seen in sorted(intake.seen.items(), key=lambda one: one[0]):
        now = LastSeen(max(known[pair].day, seen.last.isoformat()), seen.attached)
        if now != known[pair]:
            moved[pair] = now
    return moved


def seen_steps(moved: Mapping[Pair, LastSeen]) -> list[Step]:
    """Return what writes sightings that moved."""
    rows = [
        {"key_id": key_id, "host_id": host_id, "last_day": seen.day, "attached": seen.attached}
        for (key_id, host_id), seen in moved.items()
    ]
    return [Step(_SEEN, rows)] if rows else []
