"""How figures and moments are told to people. Figures are cut so that they never flatter. Pure."""

import math
from datetime import UTC, date, datetime
from fractions import Fraction

NOT_KNOWN = "not known"
_US = 1_000_000
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86_400
_TEN_THOUSAND = 10_000
_UNITS = (
    (_DAY_S, "d", _HOUR_S, "h"),
    (_HOUR_S, "h", _MINUTE_S, "min"),
    (_MINUTE_S, "min", 1, "s"),
)


def percent(share: Fraction | None) -> str:
    """Return `99.8999 %` with four decimals, the rest cut off; None is not known."""
    if share is None:
        return NOT_KNOWN
    units = share.numerator * 100 * _TEN_THOUSAND // share.denominator
    return f"{units // _TEN_THOUSAND}.{units % _TEN_THOUSAND:04} %"


def coverage(share: Fraction | None) -> str:
    """Return `98.2 %` with one decimal, the rest cut off; None is not known."""
    if share is None:
        return NOT_KNOWN
    units = share.numerator * 1000 // share.denominator
    return f"{units // 10}.{units % 10} %"


def target(share: Fraction) -> str:
    """Return `99.9 %`: as many decimals as it has, up to four."""
    whole, _, rest = percent(share).removesuffix(" %").partition(".")
    rest = rest.rstrip("0")
    return f"{whole}.{rest} %" if rest else f"{whole} %"


def duration(seconds: Fraction | int) -> str:
    """Return `2 h 5 min`: two units, rounded up, so that a loss is never told as less."""
    whole = math.ceil(seconds)
    for size, unit, part, part_unit in _UNITS:
        if whole >= size:
            count, rest = divmod(-(-whole // part) * part, size)
            return f"{count} {unit} {rest // part} {part_unit}" if rest else f"{count} {unit}"
    return f"{whole} s"


def moment(at_us: int) -> str:
    """Return `27 November 2026, 20:14 UTC`."""
    at = _at(at_us)
    return f"{day(at.date())}, {at:%H:%M} UTC"


def clock(at_us: int) -> str:
    """Return `20:14:05 UTC`."""
    return f"{_at(at_us):%H:%M:%S} UTC"


def stamp(at_us: int) -> str:
    """Return `2026-11-27T20:14:05Z`, for programs."""
    return f"{_at(at_us):%Y-%m-%dT%H:%M:%SZ}"


def milliseconds(at_us: int) -> str:
    """Return `2026-11-27T20:14:05.000Z`, as Statuspage writes it."""
    return _at(at_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(of: date) -> str:
    """Return `27 November 2026`."""
    return f"{of.day} {of:%B %Y}"


def days(first: date, last: date) -> str:
    """Return `1 to 30 November 2026`, `1 October to 31 December 2026`, or both in full."""
    if first.year != last.year:
        return f"{day(first)} to {day(last)}"
    if first.month != last.month:
        return f"{first.day} {first:%B} to {day(last)}"
    return f"{first.day} to {day(last)}" if first != last else day(last)


def day_of(at_us: int) -> date:
    """Return the day of UTC that a moment lies in."""
    return _at(at_us).date()


def window(start_s: int, end_s: int) -> str:
    """Return `5 December 2026, 22:00 to 23:30 UTC`, with both days when they differ."""
    start, end = _at(start_s * _US), _at(end_s * _US)
    if start.date() == end.date():
        return f"{day(start.date())}, {start:%H:%M} to {end:%H:%M} UTC"
    return f"{day(start.date())}, {start:%H:%M} to {day(end.date())}, {end:%H:%M} UTC"


def _at(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // _US, UTC)
