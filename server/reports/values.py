"""What reports are made of, as JSON: frozen parts, exact shares, instants of whole seconds."""

import re
from fractions import Fraction
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from server.incidents.availability import Availability
from server.incidents.instants import InstantError, parse_instant, write_instant

_FRACTION = re.compile(r"-?[0-9]{1,40}(/[1-9][0-9]{0,39})?", re.ASCII)
LARGEST = 2**53
"""Numbers beyond it are not the same in every program that reads JSON."""


class Part(BaseModel):
    """A part of a report. What is unknown in it is refused: nobody signs for what they skip."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _share(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if not isinstance(value, str) or _FRACTION.fullmatch(value) is None:
        raise ValueError('write a fraction as text, such as "12" or "1/3"')
    return Fraction(value)


def _instant(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return parse_instant(value)
    except InstantError as error:
        raise ValueError(str(error)) from None


Share: TypeAlias = Annotated[
    Fraction, BeforeValidator(_share), PlainSerializer(str, return_type=str, when_used="json")
]
"""An exact number, "1/3" in JSON."""

Instant: TypeAlias = Annotated[
    int,
    BeforeValidator(_instant),
    PlainSerializer(write_instant, return_type=str, when_used="json"),
]
"""Unix seconds, 2026-09-01T00:00:00Z in JSON."""

Count: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]


class Requests(Part):
    """Requests by what they say about the service. excluded: over their client's limit."""

    good: Count
    bad: Count
    excluded: Count

    @property
    def total(self) -> int:
        """All of them."""
        return self.good + self.bad + self.excluded


class Seconds(Part):
    """The seconds of a period: all a figure is made of (`server.incidents.availability`)."""

    period_s: Count
    maintenance_s: Count
    unknown_s: Count
    downtime_s: Share
    target: Share
    budget_full_period_s: Share

    @classmethod
    def of(cls, figures: Availability) -> "Seconds":
        """Return the seconds of figures."""
        return cls(**figures._asdict())

    @property
    def figures(self) -> Availability:
        """The figures that follow from them."""
        return Availability(**dict(self))
