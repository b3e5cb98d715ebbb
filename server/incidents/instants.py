"""Instants as text: ISO 8601 with its offset, whole seconds; local times only when they are one.

`2026-09-01T00:00:00Z` becomes Unix seconds. A time on the wall that does not exist, or exists
twice, on the day the clocks change is asked back instead of guessed.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class InstantError(ValueError):
    """What was given names no instant, or two. The message says which, and what to write."""


def parse_instant(text: object) -> int:
    """Return Unix seconds; InstantError."""
    if not isinstance(text, str):
        raise InstantError(f"{text!r} is no time: write it as 2026-09-01T00:00:00Z")
    moment = _read(text)
    if moment.tzinfo is None:
        raise InstantError(f"{text!r} does not say of which zone it is: end it with Z for UTC")
    return _whole(moment, text)


def parse_local(text: str, zone: ZoneInfo) -> int:
    """Return Unix seconds of a time on the wall in `zone`; InstantError when it is none or two."""
    moment = _read(text)
    if moment.tzinfo is not None:
        return _whole(moment, text)
    first = moment.replace(tzinfo=zone, fold=0)
    second = moment.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return _whole(first, text)
    # No clock changes at the ends of what a calendar holds: nothing below can leave it.
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise InstantError(
            f"{text} does not exist in {zone.key}: the clocks go forward over it. Which of"
            f" {_offered(second, zone)} and {_offered(first, zone)} is meant?"
        )
    raise InstantError(
        f"{text} exists twice in {zone.key}: the clocks go back over it. Which of"
        f" {first.isoformat()} and {second.isoformat()} is meant?"
    )


def write_instant(seconds: int) -> str:
    """Return `2026-09-01T00:00:00Z`; InstantError beyond the year 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00") + "Z"
    except (ValueError, OverflowError, OSError):
        raise InstantError("that instant lies beyond what a calendar can hold") from None


def _offered(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(UTC).astimezone(zone).isoformat()


def _read(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InstantError(f"{text!r} is no time: write it as 2026-09-01T00:00:00Z") from None


def _whole(moment: datetime, text: str) -> int:
    try:
        if moment.microsecond:
            raise InstantError(f"{text!r} has parts of a second: whole seconds are what is counted")
        return int(moment.timestamp())
    except (OverflowError, OSError):
        raise InstantError(f"{text!r} lies beyond what a calendar can hold") from None
