"""`keystead availability` and `keystead clock`: figures that anybody can compute again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from server.incidents.availability import compute as compute_availability
from server.incidents.business_calendar import CalendarError, Entity
from server.incidents.cases import (
    CaseError,
    read_case,
    read_minutes,
    write_availability,
    write_minutes,
)
from server.incidents.clocks import Clock, Reading
from server.incidents.clocks import due as due_instant
from server.incidents.holiday_calendars import HolidayCalendar, business_calendar
from server.incidents.instants import InstantError, parse_local, write_instant
from server.incidents.minutes import summarise
from server.incidents.severity import Severity
from server.programs.exits import CommandError, Exit
from server.programs.terminal import say_json

_LARGEST_CASE = 256 * 1024 * 1024

availability_app = typer.Typer(help="The contractual availability.", no_args_is_help=True)
clock_app = typer.Typer(help="Response, update and report clocks.", no_args_is_help=True)


@availability_app.command("compute")
def compute(
    *,
    source: Annotated[
        Path, typer.Option("--input", metavar="CASE.json", help="The intervals, or the minutes.")
    ],
    slices: Annotated[
        bool, typer.Option("--slices", help="The case is minutes with what was counted in each.")
    ] = False,
) -> None:
    """Compute availability, bounds, budget and verdict of a period from its intervals."""
    case = _read(source)
    try:
        if slices:
            minutes, rule = read_minutes(case)
            say_json(write_minutes(summarise(minutes, rule)))
        else:
            say_json(write_availability(compute_availability(read_case(case))))
    except CaseError as error:
        raise CommandError(f"{source}: {error}", Exit.USAGE) from error


@clock_app.command("due")
def due(
    *,
    clock: Annotated[Clock, typer.Option("--clock", help="What somebody waits for.")],
    severity: Annotated[int, typer.Option("--severity", min=1, max=4, help="1 is the worst.")],
    entity: Annotated[Entity, typer.Option("--entity", help="Whom the plan is with.")],
    start: Annotated[
        str,
        typer.Option(
            "--start",
            metavar="TIME",
            help="When it began: 2026-09-01T12:00:00Z, or without Z on the entity's wall.",
        ),
    ],
    calendar: Annotated[
        HolidayCalendar | None,
        typer.Option(
            "--calendar",
            help="The holidays that count (default: the entity's own).",
            show_default=False,
        ),
    ] = None,
    reading: Annotated[
        Reading, typer.Option("--reading", help="What a Business Day of a response means.")
    ] = Reading.ELAPSED,
) -> None:
    """Print when a clock is due; null where the schedule names no such clock."""
    try:
        began = parse_local(start, entity.zone)
        days = business_calendar(entity, calendar)
        instant = due_instant(clock, Severity(severity), began, days, reading)
        written = None if instant is None else write_instant(instant)
    except (InstantError, CalendarError) as error:
        raise CommandError(f"--start: {error}", Exit.USAGE) from error
    say_json({"due_utc": written})


def _read(source: Path) -> object:
    try:
        with source.open("rb") as file:
            text = file.read(_LARGEST_CASE + 1)
    except OSError as error:
        raise CommandError(f"{source} cannot be read: {error.strerror}", Exit.USAGE) from error
    if len(text) > _LARGEST_CASE:
        raise CommandError(f"{source} is larger than {_LARGEST_CASE} octets", Exit.USAGE)
    try:
        # Decimals stay the text they are: 0.1 has no exact value as a binary number.
        value: object = json.loads(text, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{source} is not JSON: {error}", Exit.USAGE) from error
    return value
