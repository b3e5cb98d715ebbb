"""`keystead status ...`: what everybody sees of the service, here and as files."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.programs.admin_client import AdminClient
from server.programs.exits import CommandError, Exit
from server.programs.options import Data, Database, Json, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.status_files import put_in_place
from server.programs.terminal import fields, say, say_json, table

if TYPE_CHECKING:
    from server.status.snapshot import Snapshot

app = RemoteTyper(help="The status page.", no_args_is_help=True)


@app.command("show")
def show(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show how the service is, as the status page says it."""
    from server.status.files import Site, write_all  # noqa: PLC0415 - see `cli`
    from server.status.page import lay_out  # noqa: PLC0415

    with admin_api(context, data, database) as admin:
        url, snapshot = _ask(admin)
    now_s = int(time.time())
    if as_json:
        summary = write_all(snapshot, now_s, Site(url))["api/v2/summary.json"]
        say_json(json.loads(summary))
        return
    page = lay_out(snapshot, now_s)
    fields({"service": page.service, "status": page.headline, "as_of": page.read.stamp})
    say()
    table(
        [
            {"component": one.name, "state": one.state, "days": one.summary}
            for one in page.components
        ],
        ["component", "state", "days"],
    )
    say()
    table(
        [
            {"period": one.name, "availability": one.availability, "verdict": one.verdict_text}
            for one in page.figures
        ],
        ["period", "availability", "verdict"],
    )


@app.command("write")
def write(
    context: typer.Context,
    *,
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="The folder; it is made when it is absent.")
    ],
    site: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Where these files will be found, https://HOST/PATH (default: `status.url`).",
            show_default=False,
        ),
    ] = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write page, feed, JSON and calendar as files for another web server."""
    from server.status.files import CALENDAR, Site, write_all  # noqa: PLC0415 - see `cli`

    if site and not site.startswith(("https://", "http://")):
        raise CommandError("--site is a whole address, https://HOST/PATH", Exit.USAGE)
    with admin_api(context, data, database) as admin:
        url, snapshot = _ask(admin)
        calendar = b"".join(admin.download("/maintenance.ics"))
    place = Site(site.rstrip("/") or url)
    documents = {CALENDAR: calendar, **write_all(snapshot, int(time.time()), place)}
    try:
        put_in_place(to, documents)
    except OSError as error:
        raise CommandError(
            f"{error.filename or to} cannot be written: {error.strerror}. Files that were written"
            " before it are whole; free the way and write again",
            Exit.USAGE,
        ) from error
    if as_json:
        say_json({"to": str(to), "url": place.url, "files": list(documents)})
    else:
        say(f"Wrote {len(documents)} files to {to}, for {place.url}.")


def _ask(admin: AdminClient) -> "tuple[str, Snapshot]":
    from server.status.wire import read_snapshot  # noqa: PLC0415 - pydantic takes its time

    value: dict[str, Any] = admin.get("/status-page")
    return value["url"], read_snapshot(json.dumps(value["snapshot"]).encode())
