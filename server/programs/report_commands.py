"""`keystead report ...`: what customers are told month by month, and that it is true."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.programs import analysis_commands
from server.programs.exits import Exit
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import complain, say, say_json, table

if TYPE_CHECKING:
    from server.programs.report_files import Result

app = RemoteTyper(
    help="Reports: availability and usage of each customer, and that they are true.",
    no_args_is_help=True,
)

__all__ = ["analysis_commands", "app"]

Output = Annotated[
    str, typer.Option("--output", metavar="FILE", help='A new file, or "-" for standard output.')
]
_CODES = {"wrong": Exit.DAMAGED, "not provable": Exit.UNPROVABLE}
_MONTH = "Like 2026-09; without it the last one in the ledger."


class ReportFormat(enum.StrEnum):
    """What a customer's report is written as."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"
    PDF = "pdf"


@app.command("customer")
def customer(
    context: typer.Context,
    customer_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The customer's id.")],
    *,
    first: Annotated[
        str | None, typer.Option("--first", metavar="MONTH", help=_MONTH, show_default=False)
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--last",
            metavar="MONTH",
            help="The last month (default: the first).",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        ReportFormat,
        typer.Option("--format", help="text is for an e-mail; json, csv and html can be verified."),
    ] = ReportFormat.TEXT,
    output: Output = "-",
    send: Annotated[
        bool,
        typer.Option("--send", help="Send the text to the customer's contacts, and print none."),
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
) -> None:
    """Report availability and usage of a customer's Client IDs, month by month."""
    from urllib.parse import urlencode  # noqa: PLC0415 - most commands do without

    from server.programs.admin_client import because  # noqa: PLC0415
    from server.programs.report_files import write_new  # noqa: PLC0415 - takes the cryptography
    from server.reports.customer import CustomerReport  # noqa: PLC0415
    from server.reports.customer_paper import write_customer_paper  # noqa: PLC0415
    from server.reports.pdf import write_pdf  # noqa: PLC0415
    from server.reports.verification import Format, write_report  # noqa: PLC0415

    given = {"first": first, "last": last}
    query = urlencode({name: month for name, month in given.items() if month is not None})
    path = f"/customers/{customer_id}/report{{}}{'?' if query else ''}{query}"
    if send:
        if form is not ReportFormat.TEXT or output != "-":
            raise typer.BadParameter("--send sends the text: leave out --format and --output")
        with admin_api(context, data, database) as admin:
            begun = admin.post(because(path.format("/send"), reason))["notices"]
        for one in begun:
            to = one["recipient"]["name"]
            say(f"On its way to contact {to}: keystead notice show {one['number']}")
        return
    with admin_api(context, data, database) as admin:
        report = CustomerReport.of_json(admin.get(path.format("")))
    if form is ReportFormat.PDF:
        write_new(output, write_pdf(write_customer_paper(report), report.as_of))
    else:
        write_new(output, write_report(report, Format(form.value)).encode())


@app.command("list")
def list_(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List the analysis reports of incidents that are owed or were published."""
    with admin_api(context, data, database) as admin:
        found: list[dict[str, Any]] = admin.get("/reports")["reports"]
    if as_json:
        say_json({"reports": found})
    else:
        table(found, ["incident", "severity", "due", "standing", "revision", "title"])


@app.command("evidence")
def evidence(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="REPORT", help="The report that is to be proved.")
    ],
    *,
    output: Output = "-",
    data: Data = None,
    database: Database = None,
) -> None:
    """Write what proves a report's minutes against an exported ledger, for `report verify`."""
    from server.programs import report_files  # noqa: PLC0415 - takes the cryptography
    from server.programs.journal_files import new_file  # noqa: PLC0415

    claim = report_files.read_report(file)
    path = report_files.evidence_path(report_files.days_of(claim), sorted(claim.request.names))
    with admin_api(context, data, database) as admin, new_file(output) as stream:
        report_files.write_evidence(admin, stream, path)


@app.command("verify")
def verify(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A report as it was given away: JSON, CSV or HTML."),
    ],
    *,
    ledger: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The ledger, from `keystead incident export` (default: the service's).",
            show_default=False,
        ),
    ] = None,
    evidence_file: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="FILE",
            help="With --ledger: the minutes, from `keystead report evidence`, or everybody's from"
            " `keystead incident export --minutes`.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="With --ledger: the public key, from `keystead journal public-key`.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoints of the ledger that were kept elsewhere.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Compute a customer's report again from the ledger, and compare. Exit code 5: it differs.

    Exit code 6: steps of incidents were erased that could bear on its figures; it may be right.
    With --ledger no service is asked. Names, and whose a Client ID is, are not in the ledger.
    """
    from server.programs import report_files  # noqa: PLC0415 - takes the cryptography
    from server.programs.journal_files import read_checkpoints, read_public_keys  # noqa: PLC0415

    claim = report_files.read_report(file)
    kept = [one for path in checkpoint or () for one in read_checkpoints(path)]
    if ledger is not None:
        if not key or evidence_file is None:
            raise typer.BadParameter("--ledger needs --key and --evidence")
        keys = [one for path in key for one in read_public_keys(path)]
        given = report_files.Ledger(ledger, keys, kept)
        result = report_files.verify(claim, given, report_files.evidence_lines(evidence_file))
    else:
        with (
            admin_api(context, data, database) as admin,
            report_files.fetched_ledger(admin, kept) as fetched,
        ):
            lines = report_files.fetched_evidence(admin, claim)
            result = report_files.verify(claim, fetched, lines)
    if as_json:
        say_json(report_files.result_to_json(result))
    _complain(result)
    if not as_json:
        say(
            f"The report is right: computed again from the ledger up to entry"
            f" {claim.ledger.sequence}, it is the same."
        )


def _complain(result: "Result") -> None:
    """Say why a report is not right, and end with that; nothing when it is."""
    if result.erased:
        gone = ", ".join(map(str, result.erased))
        complain(
            f"keystead: what these entries of the ledger said of incidents was erased, and it could"
            f" bear on the report's period: {gone}. Figures of time without it prove nothing."
        )
    verdict = result.verdict.value
    if result.differences:
        known = "what is left of the ledger" if result.erased else "the ledger"
        complain(f"keystead: the report is {verdict}. It does not say what {known} says:")
        for one in result.differences:
            complain(f"  {one.place}: {one.said} in the report, {one.computed} from the ledger")
    elif result.erased:
        complain(
            f"keystead: the report is {verdict}. It says what is left of the ledger: ask who keeps"
            " the ledger what was erased and why; the journal tells of it."
        )
    code = _CODES.get(verdict)
    if code is not None:
        raise typer.Exit(code)
