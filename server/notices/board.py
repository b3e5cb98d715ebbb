"""The notice board: the file that says who is on call, who is told, and by which ways.

A file and not tables of the store, because it is needed most when the store is away: the prober
calls the same people by the same rota, from a copy. It holds no secret, only the names of files.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from server.incidents.business_calendar import BusinessCalendar
from server.incidents.holiday_calendars import business_calendar
from server.incidents.instants import parse_local
from server.incidents.intervals import Span
from server.notices.board_tables import (
    BoardFile,
    Mail,
    OverrideTable,
    Person,
    Reachable,
    RotaTable,
    Subscriber,
)
from server.notices.hook_url import HookUrl
from server.oncall.escalation import ROLES, Escalation, Step
from server.oncall.rota import Override, Rota

MAX_FILE_OCTETS = 1 << 20

Told = TypeVar("Told", bound=Reachable)


class BoardError(Exception):
    """The file cannot be used. The message has one line per fault, with its place."""


class Board(NamedTuple):
    """The file, read and checked. Mappings are by name.

    link: where the page to acknowledge on is reached, without a slash at its end; None: messages
    have no link. monthly_reports: whether customers are sent their months. rota: None when nobody
    is on call; hours: when severities 3 and 4 are worked on.
    """

    link: str | None
    link_hours: int
    internal_hosts: frozenset[str]
    webhook_authorities: Path | None
    mail: Mail | None
    monthly_reports: bool
    people: Mapping[str, Person]
    subscribers: Mapping[str, Subscriber]
    rota: Rota | None
    escalation: Escalation
    hours: BusinessCalendar | None

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """Check the text of a file called `name`; BoardError."""
        try:
            read = BoardFile.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise BoardError(f"{name}: not TOML: {error}") from None
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise BoardError("\n".join(_said(name, f["loc"], f["msg"]) for f in faults)) from None
        try:
            return cls._of(read)
        except ValueError as error:
            raise BoardError(f"{name}: {error}") from None

    @classmethod
    def _of(cls, read: BoardFile) -> Self:
        people = _by_name("person", read.person)
        subscribers = _by_name("subscriber", read.subscriber)
        internal = frozenset(read.internal_hosts)
        reachable: list[Reachable] = [*read.person, *read.subscriber]
        for one in reachable:
            if one.email is not None and read.mail is None:
                raise ValueError(f"{one.name} is told by e-mail, which needs a table [mail]")
            if one.webhook is not None:
                HookUrl.parse(one.webhook, internal)
        if read.monthly_reports and read.mail is None:
            raise ValueError("monthly_reports are sent by e-mail, which needs a table [mail]")
        if people and read.rota is None:
            raise ValueError("people are called by a rota: write a table [rota], or leave them out")
        return cls(
            None if read.link is None else _link(read.link),
            read.link_hours,
            internal,
            None if read.webhook_authorities is None else Path(read.webhook_authorities),
            read.mail,
            read.monthly_reports,
            people,
            subscribers,
            None if read.rota is None else _rota(read.rota, people),
            _escalation(read, people),
            None
            if read.hours is None
            else business_calendar(read.hours.entity, read.hours.calendar),
        )


def load_board(file: Path) -> Board:
    """Read the file; BoardError."""
    try:
        with file.open("rb") as stream:
            octets = stream.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        raise BoardError(f"{file}: cannot be read: {error.strerror}") from error
    if len(octets) > MAX_FILE_OCTETS:
        raise BoardError(f"{file}: larger than a notice board can be (1 MiB)")
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise BoardError(f"{file}: not UTF-8 text. Save the file as UTF-8") from None
    return Board.parse(text, str(file))


def _said(name: str, place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
    said = message.removeprefix("Value error, ")
    return f"{name}: {where}: {said}" if where else f"{name}: {said}"


def _by_name(kind: str, told: Sequence[Told]) -> Mapping[str, Told]:
    found = {one.name: one for one in told}
    if len(found) < len(told):
        raise ValueError(f"a {kind}'s name is there twice: each has one of their own")
    return found


def _link(text: str) -> str:
    parts = urlsplit(text)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError("link: write https://HOST, where clients validate: a link is a key")
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("link: write https://HOST, with a path at most")
    return text.rstrip("/")


def _rota(read: RotaTable, people: Mapping[str, Person]) -> Rota:
    try:
        zone = ZoneInfo(read.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("rota.zone is a name like Europe/Stockholm, or UTC") from None
    if not read.turns:
        raise ValueError("rota.turns names nobody")
    if read.hand_over.tzinfo is not None or read.hand_over.second or read.hand_over.microsecond:
        raise ValueError("rota.hand_over is a time on the wall, as in 09:00:00")
    for name in (*read.turns, *(one.person for one in read.override)):
        _known(name, people)
    overrides = tuple(Override(one.person, _span(one, zone)) for one in read.override)
    return Rota(zone, read.first, read.hand_over, read.turns, overrides)


def _span(one: OverrideTable, zone: ZoneInfo) -> Span:
    span = Span(parse_local(one.start.isoformat(), zone), parse_local(one.end.isoformat(), zone))
    if span.seconds <= 0:
        raise ValueError(f"the override of {one.person} ends before it begins")
    return span


def _escalation(read: BoardFile, people: Mapping[str, Person]) -> Escalation:
    steps = tuple(Step(one.after_minutes, one.call) for one in read.step)
    if not steps:
        raise ValueError("there is no step: leave the lines out for the usual ones")
    minutes = [one.after_minutes for one in steps]
    if minutes != sorted(set(minutes)):
        raise ValueError("steps are in the order of their after_minutes, each later than the last")
    for step in steps:
        if not step.call:
            raise ValueError("a step calls nobody")
        for name in step.call:
            if name not in ROLES:
                _known(name, people)
    return Escalation(steps, read.repeat_minutes)


def _known(name: str, people: Mapping[str, Person]) -> None:
    if name not in people:
        raise ValueError(f"{name} is called, and there is no [[person]] of that name")
