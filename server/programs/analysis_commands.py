"""`keystead incident report ...` and `regulatory ...`: what an incident did, and who was told."""

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from server.programs.admin_client import because
from server.programs.exits import CommandError, Exit
from server.programs.incident_app import app as incident_app
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(help="The analysis report of an incident.", no_args_is_help=True)
regulatory_app = RemoteTyper(
    help="Clocks of authorities, for the regimes that are switched on.", no_args_is_help=True
)
incident_app.add_typer(app, name="report")
incident_app.add_typer(regulatory_app, name="regulatory")

IncidentId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The incident's number.")]
Regime = Annotated[str, typer.Argument(metavar="REGIME", help="nis2 or dora.")]
_TEXT = "Text, or @FILE with it. Empty lines part paragraphs, lines with - are a list."
_LARGEST_TEXT = 200_000


class PaperFormat(enum.StrEnum):
    """What an analysis report is written as."""

    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    TEXT = "text"
    JSON = "json"


def _show(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(one)
        return
    fields({name: one[name] for name in ("incident", "title", "due", "standing")})
    if one["history"]:
        say()
        table(one["history"], ["time", "step", "revision", "by", "reason"])


def _change(
    context: typer.Context,
    data: Path | None,
    database: str | None,
    call: tuple[str, str, object],
    *,
    as_json: bool,
) -> None:
    method, path, value = call
    with admin_api(context, data, database) as admin:
        _show(admin.call(method, path, value), as_json=as_json)


@app.command("draft")
def draft(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Draft the report from the data as they are now; what people wrote stays."""
    path = because(f"/incidents/{incident_id}/report/draft", reason)
    _change(context, data, database, ("POST", path, None), as_json=as_json)


@app.command("edit")
def edit(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    summary: Annotated[str | None, typer.Option(help=_TEXT, show_default=False)] = None,
    cause: Annotated[str | None, typer.Option(help=_TEXT, show_default=False)] = None,
    remedy: Annotated[
        str | None, typer.Option(help="What was done. " + _TEXT, show_default=False)
    ] = None,
    prevention: Annotated[str | None, typer.Option(help=_TEXT, show_default=False)] = None,
    remarks: Annotated[str | None, typer.Option(help=_TEXT, show_default=False)] = None,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write what the data do not say: summary, cause, remedy, prevention, remarks."""
    options = {
        "summary": summary,
        "cause": cause,
        "remedy": remedy,
        "prevention": prevention,
        "remarks": remarks,
    }
    given = {name: _words(text) for name, text in options.items() if text is not None}
    if not given:
        raise typer.BadParameter(f"say what to write: --{', --'.join(options)}")
    path = because(f"/incidents/{incident_id}/report", reason)
    _change(context, data, database, ("PATCH", path, given), as_json=as_json)


@app.command("publish")
def publish(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Publish the report; once more is a revision, with the reason for it."""
    path = because(f"/incidents/{incident_id}/report/publish", reason)
    _change(context, data, database, ("POST", path, None), as_json=as_json)


@app.command("show")
def show(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    revision: Annotated[
        int | None,
        typer.Option(
            min=1, help="As it was published (default: as it is, to edit).", show_default=False
        ),
    ] = None,
    form: Annotated[
        PaperFormat | None,
        typer.Option(
            "--format",
            help="Write the report itself (default: where it stands).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option("--output", metavar="FILE", help='A new file, or "-" for standard output.'),
    ] = "-",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show where a report stands, or write it: Markdown, HTML, PDF, text."""
    path = f"/incidents/{incident_id}/report"
    if form is None or form is PaperFormat.JSON:
        with admin_api(context, data, database) as admin:
            _show(admin.get(path), as_json=as_json or form is not None)
        return
    with admin_api(context, data, database) as admin:
        query = "" if revision is None else f"?revision={revision}"
        found = admin.get(f"{path}/document{query}")
    from server.programs.report_files import write_new  # noqa: PLC0415 - takes the cryptography

    write_new(output, _paper(found, form))


def _paper(found: dict[str, Any], form: PaperFormat) -> bytes:
    """Return a document in one of its formats."""
    from server.incidents.instants import parse_instant  # noqa: PLC0415
    from server.reports.document_json import read_document  # noqa: PLC0415
    from server.reports.markdown import write_markdown  # noqa: PLC0415
    from server.reports.page import write_page  # noqa: PLC0415
    from server.reports.pdf import write_pdf  # noqa: PLC0415
    from server.reports.plain import write_plain  # noqa: PLC0415

    document = read_document(found["document"])
    match form:
        case PaperFormat.MARKDOWN:
            return write_markdown(document).encode()
        case PaperFormat.HTML:
            return write_page(document).encode()
        case PaperFormat.PDF:
            return write_pdf(document, parse_instant(found["made"]))
        case _:
            return write_plain(document).encode()


def _words(text: str) -> str:
    """Return what is to be written: itself, or what stands in the file that it names."""
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        with path.open("rb") as stream:
            octets = stream.read(_LARGEST_TEXT + 1)
        words = octets.decode("utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not text in UTF-8", Exit.USAGE) from error
    if len(octets) > _LARGEST_TEXT:
        raise CommandError(f"{path} is longer than a report's text can be", Exit.USAGE)
    return words.replace("\r\n", "\n")


def _step(
    context: typer.Context,
    data: Path | None,
    database: str | None,
    path: str,
    value: dict[str, str],
    *,
    as_json: bool,
) -> None:
    with admin_api(context, data, database) as admin:
        _standing(admin.post(path, value), as_json=as_json)


def _standing(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(one)
        return
    table(one["clocks"], ["regime", "stage", "due", "final", "sent", "standing", "source"])
    if one["history"]:
        say()
        table(one["history"], ["time", "regime", "step", "stage", "when", "by", "text"])


@regulatory_app.command("show")
def regulatory_show(
    context: typer.Context,
    incident_id: IncidentId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show what is due at authorities, and what they were told."""
    with admin_api(context, data, database) as admin:
        _standing(admin.get(f"/incidents/{incident_id}/regulatory"), as_json=as_json)


@regulatory_app.command("classify")
def classify(
    context: typer.Context,
    incident_id: IncidentId,
    regime: Regime,
    *,
    aware: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Since when you were aware of it (default: its report to you)."
        ),
    ] = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say that an incident has to be reported: the regime's clocks begin."""
    value = {"step": "classified", "regime": regime, "aware": aware}
    path = because(f"/incidents/{incident_id}/regulatory", reason)
    _step(context, data, database, path, value, as_json=as_json)


@regulatory_app.command("sent")
def sent(
    context: typer.Context,
    incident_id: IncidentId,
    regime: Regime,
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="What was sent: early-warning, ...")
    ],
    *,
    when: Annotated[
        str, typer.Option(metavar="TIME", help="When it was sent (default: now).")
    ] = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write down that something was sent to the authority; --reason for its reference."""
    value = {"step": "sent", "regime": regime, "stage": stage, "when": when}
    path = because(f"/incidents/{incident_id}/regulatory", reason)
    _step(context, data, database, path, value, as_json=as_json)


@regulatory_app.command("withdraw")
def withdraw(
    context: typer.Context,
    incident_id: IncidentId,
    regime: Regime,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say that it does not have to be reported after all, and why."""
    value = {"step": "withdrawn", "regime": regime}
    path = because(f"/incidents/{incident_id}/regulatory", reason)
    _step(context, data, database, path, value, as_json=as_json)
