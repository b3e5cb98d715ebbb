"""`keystead client ...`: relying parties, their API keys and their limits."""

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from server.programs.admin_client import because
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(
    help="Clients: relying parties, their API keys and their limits.", no_args_is_help=True
)

ClientId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The Client ID.")]


def _show(client: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(client)
    else:
        fields(client)


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call the client.")],
    *,
    signed_only: Annotated[
        bool, typer.Option("--signed-only", help="Refuse requests without a signature.")
    ] = False,
    phishing_test: Annotated[
        bool, typer.Option("--phishing-test", help="Refuse OTPs that were held back.")
    ] = False,
    customer: Annotated[
        int | None,
        typer.Option(
            metavar="ID", min=1, help="Whose it is (default: nobody's).", show_default=False
        ),
    ] = None,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Create a client and print its Client ID and API key. The API key is shown only now."""
    with admin_api(context, data, database) as admin:
        client = admin.post(
            because("/clients", reason),
            {
                "name": name,
                "signed_only": signed_only,
                "phishing_test": phishing_test,
                "customer": customer,
            },
        )
    if as_json:
        say_json(client)
        return
    say(f"Client ID  {client['id']}")
    say(f"API key    {client['api_key']}")
    say("The API key is not shown again.")


@app.command("list")
def list_(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List all clients."""
    with admin_api(context, data, database) as admin:
        clients = admin.pages("clients")
    if as_json:
        say_json({"clients": clients})
    else:
        table(clients, ["id", "name", "customer", "active", "signed_only", "created", "limit"])


@app.command("show")
def show(
    context: typer.Context,
    client_id: ClientId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show a client, its limit and its usage."""
    with admin_api(context, data, database) as admin:
        _show(admin.get(f"/clients/{client_id}"), as_json=as_json)


@app.command("usage")
def usage(
    context: typer.Context,
    client_id: Annotated[
        int | None,
        typer.Argument(
            metavar="[ID]", min=1, help="The Client ID; all together without.", show_default=False
        ),
    ] = None,
    *,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="As in 2027-01-31T12:00:00Z (default: a day before --to).",
            show_default=False,
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Default: now.", show_default=False),
    ] = None,
    step: Annotated[str, typer.Option(help="minute, hour or day.")] = "hour",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show what a client was answered, and what that says about the service."""
    asked = {"from": start, "to": end, "step": step}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    path = "/usage" if client_id is None else f"/clients/{client_id}/usage"
    with admin_api(context, data, database) as admin:
        found = admin.get(f"{path}?{query}")
    if as_json:
        say_json(found)
        return
    fields({name: value for name, value in found.items() if name != "steps"})
    if found["steps"]:
        say()
        table(found["steps"], ["time", "good", "bad", "excluded", "kinds"])


@app.command("disable")
def disable(
    context: typer.Context,
    client_id: ClientId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Refuse a client from now on; its next request is answered OPERATION_NOT_ALLOWED."""
    with admin_api(context, data, database) as admin:
        _show(admin.post(because(f"/clients/{client_id}/disable", reason)), as_json=as_json)


@app.command("enable")
def enable(
    context: typer.Context,
    client_id: ClientId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Serve a client again."""
    with admin_api(context, data, database) as admin:
        _show(admin.post(because(f"/clients/{client_id}/enable", reason)), as_json=as_json)


@app.command("set")
def set_(
    context: typer.Context,
    client_id: ClientId,
    *,
    signed_only: Annotated[
        bool | None,
        typer.Option(help="Refuse requests without a signature.", show_default=False),
    ] = None,
    phishing_test: Annotated[
        bool | None,
        typer.Option(help="Refuse OTPs that were held back.", show_default=False),
    ] = None,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Change how a client's requests are treated."""
    options = {"signed_only": signed_only, "phishing_test": phishing_test}
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        raise typer.BadParameter(
            "give at least one of --signed-only, --phishing-test (or --no-...)"
        )
    with admin_api(context, data, database) as admin:
        path = because(f"/clients/{client_id}", reason)
        _show(admin.call("PATCH", path, given), as_json=as_json)


@app.command("assign")
def assign(
    context: typer.Context,
    client_id: ClientId,
    *,
    customer: Annotated[
        int | None,
        typer.Option(metavar="ID", min=1, help="Whose it is from now on.", show_default=False),
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="It is nobody's.")] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Give a client to a customer, or to nobody."""
    if (customer is None) != nobody:
        raise typer.BadParameter("give --customer or --nobody")
    with admin_api(context, data, database) as admin:
        path = because(f"/clients/{client_id}/customer", reason)
        _show(admin.call("PUT", path, {"customer": customer}), as_json=as_json)


@app.command("limit")
def limit(
    context: typer.Context,
    client_id: ClientId,
    *,
    rate: Annotated[
        int | None, typer.Option(min=1, help="Sessions per second.", show_default=False)
    ] = None,
    burst: Annotated[
        int | None, typer.Option(min=1, help="Sessions at once.", show_default=False)
    ] = None,
    per_day: Annotated[
        int | None,
        typer.Option(min=1, help="Sessions per day (default: no such limit).", show_default=False),
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Only count what the limit would refuse.")
    ] = False,
    reason: Reason = "",
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the default holds again, as in 2027-01-31T12:00:00Z.",
            show_default=False,
        ),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Remove the limit of its own.")
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Give a client a limit of its own; it holds from its next request on."""
    path = f"/clients/{client_id}/limit"
    if default:
        if rate is not None or burst is not None or per_day is not None:
            raise typer.BadParameter("--default stands alone: it removes the limit")
        with admin_api(context, data, database) as admin:
            _show(admin.call("DELETE", because(path, reason)), as_json=as_json)
        return
    if rate is None or burst is None:
        raise typer.BadParameter("give --rate and --burst, or --default")
    value = {
        "rate": rate,
        "burst": burst,
        "per_day": per_day,
        "shadow": shadow,
        "reason": reason,
        "expires": expires,
    }
    with admin_api(context, data, database) as admin:
        _show(admin.call("PUT", path, value), as_json=as_json)


@app.command("rotate")
def rotate(
    context: typer.Context,
    client_id: ClientId,
    *,
    finish: Annotated[
        bool, typer.Option("--finish", help="End the rotation: the old API key stops working.")
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a second API key, shown only now; both work until `--finish`."""
    path = f"/clients/{client_id}/rotate"
    with admin_api(context, data, database) as admin:
        if finish:
            _show(admin.post(because(f"{path}/finish", reason)), as_json=as_json)
            return
        client = admin.post(because(path, reason))
    if as_json:
        say_json(client)
        return
    say(f"Client ID    {client['id']}")
    say(f"New API key  {client['api_key']}")
    say("It is not shown again. The old one works too, until:")
    say(f"  keystead client rotate {client['id']} --finish")
