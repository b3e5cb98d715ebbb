"""The tables of the notice board's file, each checked by itself. `board` joins them."""

import re
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from server.accounts.text import checked_email, checked_operator_name
from server.incidents.business_calendar import Entity
from server.incidents.holiday_calendars import HolidayCalendar

MOST_MINUTES = 7 * 24 * 60

Topic = Literal["incidents", "clocks", "maintenance", "fleet"]

_HOST = re.compile(r"[a-z0-9._:\[\]-]{1,253}", re.ASCII)


def _absolute(text: str) -> str:
    if not Path(text).is_absolute():
        raise ValueError("a file is named by its whole path, from / on")
    return text


def _host(text: str) -> str:
    if _HOST.fullmatch(text) is None:
        raise ValueError("a host is named in small letters, as in hooks.example.org")
    return text


def _sender(text: str) -> str:
    if not text.isprintable():
        raise ValueError("write an address, or Name <address>")
    name, bracket, rest = text.rpartition("<")
    if any(character in name for character in '<>@,;:"\\'):
        raise ValueError("write an address, or Name <address>")
    checked_email(rest.removesuffix(">") if bracket else text)
    return text


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Name = Annotated[str, AfterValidator(checked_operator_name)]
Email = Annotated[str, AfterValidator(checked_email)]
File = Annotated[str, AfterValidator(_absolute)]
Names = Annotated[tuple[str, ...], BeforeValidator(_tuple)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Mail(_Table):
    """The SMTP server that takes messages. security "none" is for one on this machine only."""

    host: Annotated[str, AfterValidator(_host)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Annotated[str, AfterValidator(_sender)]
    user: str | None = None
    password_file: File | None = None
    authorities: File | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together: name both, or none")
        if self.security == "none":
            if self.host not in {"localhost", "127.0.0.1", "::1"}:
                raise ValueError('security = "none" is for a server on this machine: localhost')
            if self.user is not None:
                raise ValueError("a password is not sent without TLS")
        return self


class Reachable(_Table):
    """Somebody with a name, to be reached by e-mail, by a webhook, or both."""

    name: Name
    email: Email | None = None
    webhook: str | None = None
    secret_file: File | None = None

    @model_validator(mode="after")
    def _reached(self) -> Self:
        if self.email is None and self.webhook is None:
            raise ValueError(f"{self.name} cannot be reached: give email or webhook")
        if (self.webhook is None) != (self.secret_file is None):
            raise ValueError("webhook and secret_file belong together: its messages are signed")
        return self


class Person(Reachable):
    """Somebody who is called about incidents, and acknowledges them."""


class Subscriber(Reachable):
    """A room, a list or a program that is told. wants: of what."""

    wants: Annotated[tuple[Topic, ...], BeforeValidator(_tuple)] = (
        "incidents",
        "clocks",
        "maintenance",
    )


class OverrideTable(_Table):
    """Somebody takes over. Times with their offset, or on the wall of the rota's zone."""

    person: Name
    start: datetime
    end: datetime


class RotaTable(_Table):
    """Who follows whom, a week each. first: the date of the first hand-over."""

    zone: str
    first: date
    hand_over: time
    turns: Names
    override: Annotated[tuple[OverrideTable, ...], BeforeValidator(_tuple)] = ()


class StepTable(_Table):
    """Whom to call after so many minutes without an acknowledgement."""

    after_minutes: Annotated[int, Field(ge=0, le=MOST_MINUTES)]
    call: Names


class HoursTable(_Table):
    """Whose Business Hours people are called in about severities 3 and 4."""

    entity: Annotated[Entity, Field(strict=False)]
    calendar: Annotated[HolidayCalendar | None, Field(strict=False)] = None


_STEPS = (
    StepTable(after_minutes=0, call=("on-call",)),
    StepTable(after_minutes=5, call=("on-call", "next")),
    StepTable(after_minutes=10, call=("everybody",)),
)
"""What a file without steps gets: everybody has heard before a response of 15 minutes is due."""


class BoardFile(_Table):
    """The whole file."""

    link: str | None = None
    internal_hosts: Annotated[
        tuple[Annotated[str, AfterValidator(_host)], ...], BeforeValidator(_tuple)
    ] = ()
    webhook_authorities: File | None = None
    link_hours: Annotated[int, Field(ge=1, le=24 * 14)] = 24
    mail: Mail | None = None
    monthly_reports: bool = False
    person: Annotated[tuple[Person, ...], BeforeValidator(_tuple)] = ()
    rota: RotaTable | None = None
    hours: HoursTable | None = None
    step: Annotated[tuple[StepTable, ...], BeforeValidator(_tuple)] = _STEPS
    repeat_minutes: Annotated[int, Field(ge=0, le=MOST_MINUTES)] = 15
    subscriber: Annotated[tuple[Subscriber, ...], BeforeValidator(_tuple)] = ()
