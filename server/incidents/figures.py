"""Exact figures as text: fractions, and decimals that are cut off, never rounded.

2,593 seconds lost in September are 0.99899961, a breach that rounding to 99.9 % would hide.
"""

from fractions import Fraction

PLACES = 6


def rational(value: Fraction) -> str:
    """Return `2592` or `12942/5`."""
    return str(value)


def fraction(value: Fraction | None) -> str | None:
    """Return `959/960`, also `1/1`; None for what is not known."""
    return None if value is None else f"{value.numerator}/{value.denominator}"


def floored(value: Fraction | None, places: int = PLACES) -> str | None:
    """Return a share of 0 to 1 with so many decimals, the rest cut off; None stays None."""
    if value is None:
        return None
    scale = 10**places
    whole, rest = divmod(value.numerator * scale // value.denominator, scale)
    return f"{whole}.{rest:0{places}}"
