"""What the admin API's JSON is made of: bodies, answers, and days and moments (RFC 3339)."""

from datetime import UTC, date, datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


class Body(BaseModel):
    """The JSON body of a request: unknown names and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Shown(BaseModel):
    """A part of an answer, as the OpenAPI document describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def in_utc(time: datetime) -> datetime:
    """Return a time in UTC: what it is stored and shown in must have a calendar for it."""
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is beyond what a calendar can hold") from error


Day: TypeAlias = date
"""A local date, as in 2026-02-28."""

FutureMoment: TypeAlias = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A time with its offset, to be read."""

Moment: TypeAlias = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time that is shown: UTC, whole seconds."""


def microseconds(time: datetime | None) -> int | None:
    """Return a time as microseconds since the epoch, in whole seconds; None for none."""
    return None if time is None else int(time.timestamp()) * 1_000_000
