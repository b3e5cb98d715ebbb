"""`keystead oncall ...`: whose turn it is."""

from typing import Annotated

import typer

from server.programs.options import Data, Database, Json, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import complain, say_json, table

app = RemoteTyper(help="Who is on call.", no_args_is_help=True)


@app.command("show")
def show(
    context: typer.Context,
    *,
    days: Annotated[int, typer.Option(min=1, help="For how many days.")] = 14,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show who is on call from now on."""
    with admin_api(context, data, database) as admin:
        rota = admin.get(f"/oncall?days={days}")
    if as_json:
        say_json(rota)
        return
    if rota["complaint"]:
        complain(f"keystead: not what the file says now: {rota['complaint']}")
    table(rota["shifts"], ["person", "start", "end"])
