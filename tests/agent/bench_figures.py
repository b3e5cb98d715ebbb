"""Figures of a measurement: how they are told and judged, and the slope of many."""

from collections.abc import Sequence
from statistics import linear_regression
from typing import NamedTuple


class Measured(NamedTuple):
    """One figure. budget: None = it is there to compare."""

    what: str
    found: float
    unit: str
    budget: float | None = None


def exceeded(one: Measured) -> bool:
    """Tell whether a figure is above its budget."""
    return one.budget is not None and one.found > one.budget


def told(one: Measured) -> str:
    """Return a figure as a line."""
    budget = "" if one.budget is None else f"  budget {one.budget:g}"
    kept = "  EXCEEDED" if exceeded(one) else ""
    return f"{one.what:<36} {one.found:9.3f} {one.unit:<4}{budget}{kept}\n"


def slope(values: Sequence[float]) -> float:
    """Return by how much each is more than the one before, by the line that fits all best."""
    return linear_regression(range(len(values)), values).slope
