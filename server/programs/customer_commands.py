"""`keystead customer ...`: whom the service is for, and what was agreed with them."""

from typing import Annotated, Any

import typer

from server.programs.admin_client import because
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say_json, table

app = RemoteTyper(
    help="Customers: plans, add-ons, accepted usage requirements.", no_args_is_help=True
)

CustomerId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The customer's id.")]
Entity = Annotated[
    str | None,
    typer.Option(
        metavar="inc|ab",
        help="The company that the plan is with: its days count.",
        show_default=False,
    ),
]
PlanFrom = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="First day of the plan, as 2026-02-15.", show_default=False),
]
PlanTo = Annotated[
    str | None,
    typer.Option(
        metavar="DATE",
        help="First day after the plan (default: 12 months later).",
        show_default=False,
    ),
]


def _show(customer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(customer)
    else:
        fields(customer)


def _plan(begins: str | None, ends: str | None) -> dict[str, str] | None:
    if begins is None:
        if ends is not None:
            raise typer.BadParameter("--plan-to needs --plan-from beside it")
        return None
    return {"from": begins} if ends is None else {"from": begins, "to": ends}


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call the customer.")],
    *,
    entity: Entity = None,
    plan_from: PlanFrom = None,
    plan_to: PlanTo = None,
    validation: Annotated[
        bool, typer.Option("--validation", help="They bought the validation add-on.")
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a customer and print it with its id."""
    if entity is None:
        raise typer.BadParameter("give the --entity: inc or ab")
    value = {
        "name": name,
        "entity": entity,
        "plan": _plan(plan_from, plan_to),
        "validation": validation,
    }
    with admin_api(context, data, database) as admin:
        _show(admin.post(because("/customers", reason), value), as_json=as_json)


@app.command("list")
def list_(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List all customers."""
    with admin_api(context, data, database) as admin:
        customers = admin.pages("customers")
    if as_json:
        say_json({"customers": customers})
    else:
        table(customers, ["id", "name", "entity", "plan", "validation", "clients"])


@app.command("show")
def show(
    context: typer.Context,
    customer_id: CustomerId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show a customer, its plan, its Client IDs and what it accepted."""
    with admin_api(context, data, database) as admin:
        _show(admin.get(f"/customers/{customer_id}"), as_json=as_json)


@app.command("change")
def change(
    context: typer.Context,
    customer_id: CustomerId,
    *,
    name: Annotated[
        str | None, typer.Option(help="What people call it.", show_default=False)
    ] = None,
    entity: Entity = None,
    plan_from: PlanFrom = None,
    plan_to: PlanTo = None,
    no_plan: Annotated[bool, typer.Option("--no-plan", help="There is no plan.")] = False,
    validation: Annotated[
        bool | None, typer.Option(help="The validation add-on.", show_default=False)
    ] = None,
    accepted: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="They accepted this version of the usage requirements.",
            show_default=False,
        ),
    ] = None,
    accepted_by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who there accepted it.", show_default=False),
    ] = None,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Change what was agreed, or note that the usage requirements were accepted."""
    if (accepted is None) != (accepted_by is None):
        raise typer.BadParameter("--accepted and --accepted-by belong together")
    plan = _plan(plan_from, plan_to)
    if no_plan and plan is not None:
        raise typer.BadParameter("--no-plan stands alone: it removes the plan")
    options = {"name": name, "entity": entity, "plan": plan, "validation": validation}
    given: dict[str, object] = {key: value for key, value in options.items() if value is not None}
    if no_plan:
        given["plan"] = None
    if not given and accepted is None:
        raise typer.BadParameter("say what to change: see --help")
    with admin_api(context, data, database) as admin:
        path = f"/customers/{customer_id}"
        customer: dict[str, Any] = {}
        if given:
            customer = admin.call("PATCH", because(path, reason), given)
        if accepted is not None:
            value = {"version": accepted, "by": accepted_by}
            customer = admin.post(because(f"{path}/acceptances", reason), value)
    _show(customer, as_json=as_json)
