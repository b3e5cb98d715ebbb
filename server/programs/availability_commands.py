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
from server.programs.options import Data, Database, Json, admin_api
from server.programs.remote_options import RemoteCommand
from server.programs.terminal import fields, say_json, table
from server.uptime.asked_period import Kind

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


@availability_app.command("show", cls=RemoteCommand)
def show(
    context: typer.Context,
    *,
    client: Annotated[
        int | None,
        typer.Option(
            "--client", metavar="ID", min=1, help="Of this Client ID alone.", show_default=False
        ),
    ] = None,
    period: Annotated[Kind, typer.Option("--period", help="How long it is.")] = Kind.MONTH,
    of: Annotated[
        str | None,
        typer.Option(
            "--of",
            metavar="WHICH",
            help="2026-10, 2026-Q4, the first date of a term, the last one of thirty days"
            " (default: the one that is now).",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show what was kept of the promise: availability, bounds, coverage, verdict."""
    with admin_api(context, data, database) as admin:
        found = admin.get(_asked("", client, period, of))
    if as_json:
        say_json(found)
    else:
        fields(found)


@availability_app.command("proposals", cls=RemoteCommand)
def proposals(
    context: typer.Context,
    *,
    client: Annotated[
        int | None,
        typer.Option(
            "--client", metavar="ID", min=1, help="Of this Client ID alone.", show_default=False
        ),
    ] = None,
    period: Annotated[Kind, typer.Option("--period", help="How long it is.")] = Kind.MONTH,
    of: Annotated[
        str | None,
        typer.Option("--of", metavar="WHICH", help="As for `show`.", show_default=False),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show the incidents that the minutes propose: a person confirms start, end and impact."""
    with admin_api(context, data, database) as admin:
        found = admin.get(_asked("/proposals", client, period, of))
    if as_json:
        say_json(found)
    else:
        table(found["proposals"], ["start", "end", "worst", "lost_s"])


def _asked(what: str, client: int | None, period: Kind, of: str | None) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415 - most commands do without

    whose = "" if client is None else f"/clients/{client}"
    query = urlencode({"period": period.value, **({} if of is None else {"of": of})})
    return f"{whose}/availability{what}?{query}"


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
