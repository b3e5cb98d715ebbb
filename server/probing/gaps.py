"""The whole minutes between two rounds that were too far apart: pure."""

from server.probing.clockwatch import MINUTE_US, Unknown


def silence(last_us: int, next_us: int) -> Unknown | None:
    """Return the minutes that lie wholly between a round's end and the next one's begin.

    The minutes at both ends have a round in them, which holds. None when there is none between.
    """
    first = last_us // MINUTE_US + 1
    last = next_us // MINUTE_US - 1
    if first > last:
        return None
    return Unknown(first * MINUTE_US, (last + 1) * MINUTE_US - 1)
