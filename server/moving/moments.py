"""Times as the reference's files write them: seconds since the epoch, or a date and a time."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from server.moving.cells import CellError

_SECONDS = re.compile(r"[0-9]{1,11}")
_MAX_LETTERS = 40
_US = 1_000_000


@lru_cache(maxsize=1024)  # files repeat their times
def read_moment(name: str, cell: str) -> int | None:
    """Return microseconds since the epoch, None for an empty cell; CellError for anything else.

    A date without a zone is taken for UTC.
    """
    if not cell or cell == "NULL":
        return None
    if _SECONDS.fullmatch(cell):
        return int(cell) * _US
    try:
        moment = datetime.fromisoformat(cell[:_MAX_LETTERS])
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CellError(
            f"{name} must be seconds since 1970, a time like 2026-01-31T12:00:00, or empty"
        ) from None
    return max(0, int(moment.timestamp())) * _US


def show_seconds(time_us: int) -> str:
    """Return a time as the validation server's files have it."""
    return str(time_us // _US)


def show_date(time_us: int) -> str:
    """Return a time as the key file has it: UTC, without a zone."""
    return datetime.fromtimestamp(time_us // _US, UTC).strftime("%Y-%m-%dT%H:%M:%S")
