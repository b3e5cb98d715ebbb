"""`keystead incident ...`: opened, acknowledged, told of, resolved; and what is confirmed of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.programs.admin_client import because
from server.programs.ledger_commands import app
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.terminal import fields, say, say_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["app"]

IncidentId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The incident's number.")]
Tell = Annotated[
    str, typer.Option("--tell", metavar="TEXT", help="What everybody is told with it.")
]
Zone = Annotated[
    str, typer.Option(metavar="ZONE", help="Whose wall clock times without an offset are on.")
]
_TIME = "As 2026-12-05T22:00:00Z, or without Z on the wall of --zone."
_NESTED = {"losses", "amendments", "clocks", "history", "proposed"}


def _show(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(one)
        return
    fields({name: value for name, value in one.items() if name not in _NESTED})
    proposed = one["proposed"]
    say(f"proposed: severity {proposed['severity']}: {proposed['sentence']}")
    for name, columns in (
        ("clocks", ["clock", "start", "due", "outcome", "answered", "missed"]),
        ("losses", ["start", "end", "impact"]),
        ("amendments", ["time", "start", "end", "impact", "reason"]),
        ("history", ["time", "step", "author", "detail", "text"]),
    ):
        if one[name]:
            say()
            table([_one_line(row) for row in one[name]], columns)


def _one_line(row: "Mapping[str, Any]") -> dict[str, Any]:
    """Keep a row in its line: texts may have several."""
    return {
        name: value.replace("\n", " / ") if isinstance(value, str) else value
        for name, value in row.items()
    }


def _change(
    context: typer.Context,
    data: "Path | None",
    database: str | None,
    path: str,
    value: object,
    *,
    as_json: bool,
) -> None:
    with admin_api(context, data, database) as admin:
        _show(admin.post(path, value), as_json=as_json)


@app.command("open")
def open_(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="What it is, in one line for everybody.")],
    *,
    component: Annotated[
        str,
        typer.Option(metavar="COMPONENT", help="validation, upload, api-keys or provisioning."),
    ] = "validation",
    unavailable: Annotated[
        bool, typer.Option("--unavailable", help="The service answers nobody rightly.")
    ] = False,
    critical: Annotated[
        bool, typer.Option("--critical", help="It is in a critical state.")
    ] = False,
    exposes_data: Annotated[
        bool, typer.Option("--exposes-data", help="A vulnerability exposes customers' data.")
    ] = False,
    essential: Annotated[
        bool, typer.Option("--essential", help="Essential business activities are impacted.")
    ] = False,
    degraded_severely: Annotated[
        bool, typer.Option("--degraded-severely", help="It is severely degraded.")
    ] = False,
    warranted: Annotated[
        bool, typer.Option("--warranted", help="You deem it worth an incident response.")
    ] = False,
    degraded: Annotated[
        bool, typer.Option("--degraded", help="It works, but e.g. without redundancy.")
    ] = False,
    severe: Annotated[bool, typer.Option("--severe", help="The problem is severe.")] = False,
    reach: Annotated[
        str, typer.Option(metavar="REACH", help="Whom it affects: few, many or most.")
    ] = "few",
    workaround: Annotated[
        str, typer.Option(metavar="WAY", help="The way around: practical, not-practical or none.")
    ] = "practical",
    severity: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4,
            help="Assign it now; with --reason where it is another than the proposed one.",
            show_default=False,
        ),
    ] = None,
    reported: Annotated[
        str, typer.Option(metavar="TIME", help=f"When it was reported; else now. {_TIME}")
    ] = "",
    zone: Zone = "UTC",
    customer: Annotated[
        int | None,
        typer.Option(metavar="ID", min=1, help="The customer who reported it.", show_default=False),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Not on the status page until all are told.")
    ] = False,
    tell: Tell = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Open an incident: what you know of it proposes a severity, and its clocks run."""
    value = {
        "component": component,
        "title": title,
        "situation": {
            "unavailable": unavailable,
            "critical": critical,
            "exposes_data": exposes_data,
            "essential": essential,
            "degraded_severely": degraded_severely,
            "warranted": warranted,
            "degraded": degraded,
            "severe": severe,
            "reach": reach,
            "workaround": workaround,
        },
        "severity": severity,
        "reported": reported,
        "zone": zone,
        "customer": customer,
        "public": not private,
        "tell": tell,
    }
    _change(context, data, database, because("/incidents", reason), value, as_json=as_json)


@app.command("list")
def list_(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is resolved or dismissed.")
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List incidents that somebody has to do something about, with the next due instant."""
    with admin_api(context, data, database) as admin:
        found = admin.pages("incidents")
    settled = {"resolved", "dismissed"}
    shown = [one for one in found if everything or one["state"] not in settled]
    if as_json:
        say_json({"incidents": shown})
        return
    for one in shown:
        dues = [clock["due"] for clock in one["clocks"] if clock["answered"] is None]
        one["next_due"] = min((due for due in dues if due), default=None)
    columns = ["id", "severity", "state", "component", "reported", "next_due", "title"]
    table(shown, columns)


@app.command("show")
def show(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show one with its clocks and its history."""
    with admin_api(context, data, database) as admin:
        _show(admin.get(f"/incidents/{incident_id}"), as_json=as_json)


@app.command("acknowledge")
def acknowledge(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    tell: Tell = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Take it on: this stops the clock of the initial response."""
    path = because(f"/incidents/{incident_id}/acknowledge", reason)
    _change(context, data, database, path, {"tell": tell}, as_json=as_json)


@app.command("mitigate")
def mitigate(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    tell: Tell = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Note that the service works again, and is being watched."""
    path = because(f"/incidents/{incident_id}/mitigate", reason)
    _change(context, data, database, path, {"tell": tell}, as_json=as_json)


@app.command("worsen")
def worsen(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    tell: Tell = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Note that it does not work after all."""
    path = because(f"/incidents/{incident_id}/worsen", reason)
    _change(context, data, database, path, {"tell": tell}, as_json=as_json)


@app.command("resolve")
def resolve(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    summary: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="What was wrong and what was done, for operators; needed for severity 1 and 2.",
        ),
    ] = "",
    tell: Tell = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Resolve it: the report's clock begins."""
    path = because(f"/incidents/{incident_id}/resolve", reason)
    value = {"summary": summary, "tell": tell}
    _change(context, data, database, path, value, as_json=as_json)


@app.command("reopen")
def reopen(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    tell: Tell = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Go on with one that was resolved or dismissed; needs --reason."""
    path = because(f"/incidents/{incident_id}/reopen", reason)
    _change(context, data, database, path, {"tell": tell}, as_json=as_json)


@app.command("dismiss")
def dismiss(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    tell: Tell = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Note that it was none; needs --reason. What was measured stays as it is."""
    path = because(f"/incidents/{incident_id}/dismiss", reason)
    _change(context, data, database, path, {"tell": tell}, as_json=as_json)


@app.command("update")
def update(
    context: typer.Context,
    incident_id: IncidentId,
    text: Annotated[str, typer.Argument(help="What is told.")],
    *,
    private: Annotated[
        bool, typer.Option("--private", help="Only those it concerns were told, by other ways.")
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Tell something of it: on the status page, unless it is --private."""
    path = because(f"/incidents/{incident_id}/update", reason)
    value = {"text": text, "public": not private}
    _change(context, data, database, path, value, as_json=as_json)


@app.command("note")
def note(
    context: typer.Context,
    incident_id: IncidentId,
    text: Annotated[str, typer.Argument(help="What is to be remembered.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Note something for operators; it stops no clock."""
    path = because(f"/incidents/{incident_id}/note", reason)
    _change(context, data, database, path, {"text": text}, as_json=as_json)


@app.command("assign")
def assign(
    context: typer.Context,
    incident_id: IncidentId,
    severity: Annotated[int, typer.Argument(min=1, max=4, help="From 1, the worst, to 4.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Assign a severity; with --reason where it is another than the proposed one."""
    path = because(f"/incidents/{incident_id}/assign", reason)
    _change(context, data, database, path, {"severity": severity}, as_json=as_json)


@app.command("confirm")
def confirm(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    loss: Annotated[
        list[str] | None,
        typer.Option(
            metavar="START,END[,IMPACT]",
            help="Seconds that were lost, END empty while it goes on, and which part of the"
            f" service (1 without it); may be repeated. {_TIME}",
            show_default=False,
        ),
    ] = None,
    zone: Zone = "UTC",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Confirm what was lost, all of it: this replaces what was confirmed before."""
    value = {"losses": [_loss(text) for text in loss or ()], "zone": zone}
    path = because(f"/incidents/{incident_id}/confirm", reason)
    _change(context, data, database, path, value, as_json=as_json)


def _loss(text: str) -> dict[str, str]:
    match text.split(","):
        case [start, end]:
            return {"start": start, "end": end}
        case [start, end, impact]:
            return {"start": start, "end": end, "impact": impact}
    raise typer.BadParameter(
        f"{text!r} is no loss: write it as 2026-12-05T22:00:00Z,2026-12-05T22:30:00Z,1/3"
    )


@app.command("affect")
def affect(
    context: typer.Context,
    incident_id: IncidentId,
    client: Annotated[
        list[int] | None,
        typer.Argument(metavar="[CLIENT_ID]...", min=1, help="Client IDs; none: all of them."),
    ] = None,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say which clients it concerns."""
    path = because(f"/incidents/{incident_id}/affect", reason)
    _change(context, data, database, path, {"clients": client or []}, as_json=as_json)


@app.command("amend")
def amend(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    start: Annotated[str, typer.Option(metavar="TIME", help=_TIME)],
    end: Annotated[str, typer.Option(metavar="TIME", help=_TIME)],
    impact: Annotated[
        str, typer.Option(metavar="FRACTION", help="Which part was lost: 0, 1 or like 1/3.")
    ],
    zone: Zone = "UTC",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say what counts of some seconds, whatever was measured or confirmed; needs --reason."""
    value = {"start": start, "end": end, "impact": impact, "zone": zone}
    path = because(f"/incidents/{incident_id}/amend", reason)
    _change(context, data, database, path, value, as_json=as_json)
