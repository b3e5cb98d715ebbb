"""`keystead maintenance ...`: what is announced before it is done, and what of it counts."""

import sys
from typing import Annotated, Any

import typer

from server.programs.admin_client import because
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(
    help="Maintenance: scheduled, announced, changed, cancelled.", no_args_is_help=True
)

MaintenanceId = Annotated[
    int, typer.Argument(metavar="ID", min=1, help="The maintenance's number.")
]
Zone = Annotated[
    str, typer.Option(metavar="ZONE", help="Whose wall clock times without an offset are on.")
]
_TIME = "As 2026-12-05T22:00:00Z, or without Z on the wall of --zone."


def _show(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(one)
        return
    fields({name: value for name, value in one.items() if name not in {"windows", "history"}})
    if one["windows"]:
        say()
        table(one["windows"], ["start", "end", "announced", "cancelled", "counts"])
    say()
    table(one["history"], ["time", "step", "start", "end", "title"])


@app.command("schedule")
def schedule(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="What is done, for the people it concerns.")],
    *,
    start: Annotated[str, typer.Option(metavar="TIME", help=_TIME)],
    end: Annotated[str, typer.Option(metavar="TIME", help=_TIME)],
    zone: Zone = "UTC",
    component: Annotated[
        str,
        typer.Option(metavar="COMPONENT", help="validation, upload, api-keys or provisioning."),
    ] = "validation",
    draft: Annotated[
        bool, typer.Option("--draft", help="Tell nobody yet: it counts once it is announced.")
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Plan maintenance and announce it."""
    value = {
        "component": component,
        "title": title,
        "start": start,
        "end": end,
        "zone": zone,
        "announce": not draft,
    }
    with admin_api(context, data, database) as admin:
        _show(admin.post(because("/maintenance", reason), value), as_json=as_json)


@app.command("announce")
def announce(
    context: typer.Context,
    maintenance_id: MaintenanceId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Announce a draft."""
    with admin_api(context, data, database) as admin:
        path = f"/maintenance/{maintenance_id}/announce"
        _show(admin.post(because(path, reason)), as_json=as_json)


@app.command("list")
def list_(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is over, finished or cancelled.")
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List what is to come and what is under way."""
    with admin_api(context, data, database) as admin:
        found = admin.pages("maintenance")
    past = {"over", "finished", "cancelled"}
    shown = [one for one in found if everything or one["condition"] not in past]
    if as_json:
        say_json({"maintenance": shown})
    else:
        table(shown, ["id", "condition", "component", "start", "end", "announced", "title"])


@app.command("show")
def show(
    context: typer.Context,
    maintenance_id: MaintenanceId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show one with its history, and which of its seconds count."""
    with admin_api(context, data, database) as admin:
        _show(admin.get(f"/maintenance/{maintenance_id}"), as_json=as_json)


@app.command("change")
def change(
    context: typer.Context,
    maintenance_id: MaintenanceId,
    *,
    title: Annotated[str | None, typer.Option(help="What is done.", show_default=False)] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help=_TIME, show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help=_TIME, show_default=False)] = None,
    zone: Zone = "UTC",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Announce another title, start or end; what was announced before stays on record."""
    options = {"title": title, "start": start, "end": end}
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        raise typer.BadParameter("say what to change: --title, --start or --end")
    with admin_api(context, data, database) as admin:
        path = because(f"/maintenance/{maintenance_id}", reason)
        _show(admin.call("PATCH", path, {**given, "zone": zone}), as_json=as_json)


@app.command("cancel")
def cancel(
    context: typer.Context,
    maintenance_id: MaintenanceId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Call it off before it begins."""
    with admin_api(context, data, database) as admin:
        path = f"/maintenance/{maintenance_id}/cancel"
        _show(admin.post(because(path, reason)), as_json=as_json)


@app.command("begin")
def begin(
    context: typer.Context,
    maintenance_id: MaintenanceId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Note that the work begins; without `finish` it is seen to overrun."""
    with admin_api(context, data, database) as admin:
        path = f"/maintenance/{maintenance_id}/begin"
        _show(admin.post(because(path, reason)), as_json=as_json)


@app.command("finish")
def finish(
    context: typer.Context,
    maintenance_id: MaintenanceId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Note that the work is done."""
    with admin_api(context, data, database) as admin:
        path = f"/maintenance/{maintenance_id}/finish"
        _show(admin.post(because(path, reason)), as_json=as_json)


@app.command("calendar")
def calendar(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
) -> None:
    """Print what was announced as a calendar (iCalendar), as `/status/maintenance.ics` has it."""
    with admin_api(context, data, database) as admin:
        pieces = list(admin.download("/maintenance.ics"))
    # As it came: its line ends are CRLF, and nothing of it goes to a person's terminal unread.
    sys.stdout.buffer.write(b"".join(pieces))
