"""`keystead notice ...`: what was told to whom, a test, and a webhook's secret."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from server.programs.admin_client import because
from server.programs.exits import CommandError
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(
    help="Notices: what was told to whom, and whether it arrived.", no_args_is_help=True
)

_COLUMNS = ["number", "standing", "occasion", "about", "to", "way", "attempts", "ended", "detail"]
_SECRET_OCTETS = 32


@app.command("list")
def list_(
    context: typer.Context,
    *,
    about: Annotated[
        str, typer.Option(metavar="KIND:ID", help="Only about this, as in incident:12.")
    ] = "",
    standing: Annotated[
        str, typer.Option(metavar="STANDING", help="waiting, delivered, given-up or in-vain.")
    ] = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List what was told, to whom and when: the proof that it was."""
    query = {"about": about, "standing": standing}
    with admin_api(context, data, database) as admin:
        found = admin.pages("notices", **{name: text for name, text in query.items() if text})
    if as_json:
        say_json({"notices": found})
        return
    table([{**one, "to": _to(one), "way": one["recipient"]["way"]} for one in found], _COLUMNS)


@app.command("show")
def show(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="The delivery's number.")],
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show what became of one message to one recipient."""
    with admin_api(context, data, database) as admin:
        one = admin.get(f"/notices/{number}")
    if as_json:
        say_json(one)
    else:
        shown = {name: value for name, value in one.items() if name != "recipient"}
        fields({**shown, "to": _to(one), "way": one["recipient"]["way"]})


@app.command("test")
def send_test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who, as on the notice board.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Send somebody on the notice board a test, by all their ways."""
    with admin_api(context, data, database) as admin:
        begun = admin.post(because("/notices/tests", reason), {"name": name})
    if as_json:
        say_json(begun)
        return
    for one in begun["notices"]:
        way = one["recipient"]["way"]
        say(f"On its way to {_to(one)} by {way}: keystead notice show {one['number']}")


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A notice board's file.")],
    *,
    as_json: Json = False,
) -> None:
    """Check a notice board's file before it is put in its place."""
    from server.notices.board import BoardError, load_board  # noqa: PLC0415 - only here

    try:
        board = load_board(file)
    except BoardError as error:
        raise CommandError(str(error)) from None
    told = {"people": sorted(board.people), "subscribers": sorted(board.subscribers)}
    if as_json:
        say_json(told)
    else:
        for what, names in told.items():
            say(f"{what}: {', '.join(names) or 'nobody'}")


def secret(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Is made, mode 0600.")],
) -> None:
    """Make a webhook's secret. Its receiver needs a copy of the file's line."""
    from hsm import privatefile  # noqa: PLC0415 - only here
    from server.notices.signature import WebhookSecret  # noqa: PLC0415

    made = WebhookSecret(secrets.token_bytes(_SECRET_OCTETS))
    text = f"{made.format()}\n".encode()
    privatefile.create(file.absolute(), text, unless_lost="its receiver may know it")
    say(f"{file} holds the secret; give its line to the receiver by a way that nobody reads along.")


def _to(one: dict[str, object]) -> str:
    to = one["recipient"]
    assert isinstance(to, dict)  # noqa: S101 - for the type checker: the API's own model
    customer = f" of customer {to['customer']}" if to["customer"] is not None else ""
    return f"{to['role']} {to['name']}{customer}"


# Of this machine alone: they read and write files here.
typer.Typer.command(app, "check")(check)
typer.Typer.command(app, "secret")(secret)
