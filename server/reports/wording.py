"""How reports write figures for people: seconds, shares, instants. Exact, and cut off, not rounded.

"0.999" never stands for 0.99899: what the fraction is stands beside it where it matters.
"""

from fractions import Fraction

from server.incidents.availability import Verdict
from server.incidents.figures import floored
from server.incidents.instants import write_instant

_JOINED = "\u00a0"
"""A space at which no line ends."""

VERDICTS = {
    Verdict.MET: "met",
    Verdict.BREACHED: "not met",
    Verdict.INDETERMINATE: "not known: unknown seconds could decide it",
    Verdict.NO_ELIGIBLE_TIME: "no time that counts",
}


def share(value: Fraction | None) -> str:
    """Return a share of 0 to 1 as `99.8999 %`, cut off after six decimals of the share."""
    text = floored(value)
    if text is None:
        return "not known"
    whole, decimals = text.split(".")
    digits = f"{whole}{decimals}"
    return f"{int(digits[:-4])}.{digits[-4:]}{_JOINED}%"


def seconds(value: Fraction | int) -> str:
    """Return seconds as `2,592 s`, or exactly with what is beyond whole ones: `5/2 s (2.5 s)`."""
    exact = Fraction(value)
    if exact.denominator == 1:
        return f"{exact.numerator:,}{_JOINED}s"
    tenths = exact.numerator * 10 // exact.denominator
    return f"{exact}{_JOINED}s ({tenths // 10:,}.{tenths % 10}{_JOINED}s)"


def instant(value: int | None, none: str = "not yet") -> str:
    """Return an instant for people: `2026-09-01 08:00:00 UTC`."""
    if value is None:
        return none
    return write_instant(value).replace("T", " ").replace("Z", " UTC")


def count(value: int) -> str:
    """Return a number of things."""
    return f"{value:,}"
