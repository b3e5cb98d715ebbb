"""`keystead operator ...`: who may administer from afar, and with which tokens."""

from typing import Annotated, Any

import typer

from server.programs.admin_client import because
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(
    help="Operators: who may administer over HTTPS, and their tokens.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The operator's name.")]
Role = Annotated[
    str | None,
    typer.Option(
        metavar="ROLE",
        help="viewer, support, operator, approver or admin.",
        show_default=False,
    ),
]
Expires = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="When the token ends, as in 2027-01-31T12:00:00Z (default: in 90 days).",
        show_default=False,
    ),
]


def _path(name: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - most commands do without

    return f"/operators/{quote(name, safe='')}"


def _show(operator: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(operator)
    else:
        fields(operator)


def _show_issued(operator: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(operator)
        return
    say(f"Operator  {operator['name']} ({operator['role']})")
    say(f"Token     {operator['token']}")
    say(f"It is valid until {operator['token_expires']} and not shown again.")


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    *,
    role: Role = None,
    customer: Annotated[
        int | None,
        typer.Option(
            metavar="ID",
            min=1,
            help="The only customer they see (default: they see all).",
            show_default=False,
        ),
    ] = None,
    expires: Expires = None,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make an operator and print a token, which is shown only now."""
    if role is None:
        raise typer.BadParameter("give the --role: viewer, support, operator, approver or admin")
    value = {"name": name, "role": role, "customer": customer, "expires": expires}
    with admin_api(context, data, database) as admin:
        _show_issued(admin.post(because("/operators", reason), value), as_json=as_json)


@app.command("list")
def list_(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List all operators."""
    with admin_api(context, data, database) as admin:
        operators = admin.pages("operators")
    if as_json:
        say_json({"operators": operators})
    else:
        table(operators, ["name", "role", "customer", "active", "created"])


@app.command("show")
def show(
    context: typer.Context,
    name: Name,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show an operator and the numbers and dates of all tokens."""
    with admin_api(context, data, database) as admin:
        operator = admin.get(_path(name))
    if as_json:
        say_json(operator)
        return
    tokens = operator.pop("tokens")
    fields(operator)
    say()
    table(tokens, ["number", "created", "expires", "last_used", "revoked"])


@app.command("disable")
def disable(
    context: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Refuse all tokens of an operator from now on."""
    with admin_api(context, data, database) as admin:
        _show(admin.post(because(f"{_path(name)}/disable", reason)), as_json=as_json)


@app.command("enable")
def enable(
    context: typer.Context,
    name: Name,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Let an operator in again, with the tokens that still live."""
    with admin_api(context, data, database) as admin:
        _show(admin.post(because(f"{_path(name)}/enable", reason)), as_json=as_json)


@app.command("role")
def give_role(
    context: typer.Context,
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The new role.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Give an operator another role, from the next request on."""
    with admin_api(context, data, database) as admin:
        path = because(f"{_path(name)}/role", reason)
        _show(admin.call("PUT", path, {"role": role}), as_json=as_json)


@app.command("token")
def token(
    context: typer.Context,
    name: Name,
    *,
    expires: Expires = None,
    revoke: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="End this token instead.", show_default=False),
    ] = None,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Issue one more token, shown only now; or end one."""
    if revoke is not None and expires is not None:
        raise typer.BadParameter("--revoke stands alone: it ends a token")
    with admin_api(context, data, database) as admin:
        path = f"{_path(name)}/tokens"
        if revoke is not None:
            _show(admin.call("DELETE", because(f"{path}/{revoke}", reason)), as_json=as_json)
            return
        issued = admin.post(because(path, reason), {"expires": expires})
    _show_issued(issued, as_json=as_json)
