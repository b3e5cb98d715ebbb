"""Times as the journal writes them: RFC 3339, UTC, always six digits after the point."""

import re
from datetime import UTC, datetime, timedelta

from server.journal.canonical import MalformedError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def format_moment(time_us: int) -> str:
    """Return microseconds since the epoch as text, like 2026-01-31T12:00:00.000001Z.

    A number beyond any calendar (somebody wrote it into the database) is returned as it is:
    it can still be shown, and `parse_moment` refuses it.
    """
    try:
        time = _EPOCH.replace(tzinfo=None) + timedelta(microseconds=time_us)
    except OverflowError:
        return str(time_us)
    return f"{time.isoformat(timespec='microseconds')}Z"


def parse_moment(text: str) -> int:
    """Read what `format_moment` wrote; its inverse. MalformedError."""
    if _FORM.fullmatch(text) is None:
        raise MalformedError("a time is not written like 2026-01-31T12:00:00.000000Z")
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise MalformedError("a time is none that a calendar has") from None
