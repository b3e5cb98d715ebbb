"""`keystead contact ...`: the people to talk to at a customer's."""

from typing import Annotated, Any

import typer

from server.programs.admin_client import because
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(help="Contacts: the people to talk to at customers.", no_args_is_help=True)

CustomerId = Annotated[int, typer.Argument(metavar="CUSTOMER", min=1, help="The customer's id.")]


@app.command("add")
def add(
    context: typer.Context,
    customer_id: CustomerId,
    name: Annotated[str, typer.Argument(help="The person's name.")],
    *,
    email: Annotated[
        str | None, typer.Option(help="Their e-mail address.", show_default=False)
    ] = None,
    phone: Annotated[str, typer.Option(help="Their telephone.", show_default=False)] = "",
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="support, security, billing or incident; again for more kinds.",
            show_default=False,
        ),
    ] = None,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Add somebody to talk to, and print their number."""
    if email is None or not kind:
        raise typer.BadParameter("give --email and at least one --kind")
    value = {"name": name, "email": email, "phone": phone, "kinds": kind}
    with admin_api(context, data, database) as admin:
        made: dict[str, Any] = admin.post(
            because(f"/customers/{customer_id}/contacts", reason), value
        )
    if as_json:
        say_json(made)
    else:
        fields(made)


@app.command("list")
def list_(
    context: typer.Context,
    customer_id: CustomerId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List the contacts of a customer."""
    with admin_api(context, data, database) as admin:
        found = admin.get(f"/customers/{customer_id}/contacts")
    if as_json:
        say_json(found)
    else:
        table(found["contacts"], ["id", "name", "email", "phone", "kinds"])


@app.command("remove")
def remove(
    context: typer.Context,
    customer_id: CustomerId,
    contact_id: Annotated[int, typer.Argument(metavar="CONTACT", min=1, help="Their number.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Remove a contact: of the person nothing stays, also not in the journal."""
    path = because(f"/customers/{customer_id}/contacts/{contact_id}", reason)
    with admin_api(context, data, database) as admin:
        removed = admin.call("DELETE", path)
    if as_json:
        say_json(removed)
    else:
        say(f"Contact {removed['id']} of customer {removed['customer']} was removed.")
