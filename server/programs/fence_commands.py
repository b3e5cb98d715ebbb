"""`keystead fence ...`: the fence around the keys of a restored store."""

from pathlib import Path
from typing import Annotated

import typer

from server.programs.exits import Exit
from server.programs.options import Data, Database, Json, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import say, say_json

app = RemoteTyper(help="The fence around a restored store's keys.", no_args_is_help=True)


@app.command("status")
def status(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """Say whether all keys are fenced, and what keeps the fence up."""
    with admin_api(context, data, database) as admin:
        found = admin.get("/fence")
    if as_json:
        say_json(found)
    elif not found["fenced"]:
        say("No fence stands.")
    else:
        say(f"All keys are fenced: a backup of {found['made']} was restored {found['restored']}.")
        _tell(found["problems"])
        say("What was administered in between is undone: what was disabled then is ACTIVE again.")


@app.command("replay")
def replay(
    context: typer.Context,
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Where counter journals lie.")
    ],
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Raise the counters to what the journals say; lifts the fence when they say all."""
    with admin_api(context, data, database) as admin:
        asked = {"directories": [str(one.absolute()) for one in directories]}
        done = admin.post_patiently("/fence/replay", asked)
    if as_json:
        say_json(done)
    else:
        say(f"{done['entries']} entries read, {done['raised']} counters raised.")
        if done["unknown_count"]:
            say(f"{done['unknown_count']} keys are not in the store: they were added after the")
            say("backup. Import them again: their counters wait for them.")
        if done["stands"]:
            say("All keys stay fenced:")
            _tell(done["problems"])
        else:
            say("No fence stands.")
    if done["stands"]:
        raise typer.Exit(Exit.REFUSED)


@app.command("release")
def release(
    context: typer.Context,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept for good.")],
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Lift the fence without all journals: OTPs that they do not tell of are good once more."""
    with admin_api(context, data, database) as admin:
        done = admin.post("/fence/release", {"reason": reason})
    if as_json:
        say_json(done)
    else:
        say("The fence was lifted, and the reason kept.")


def _tell(problems: dict[str, str]) -> None:
    for node, problem in problems.items():
        say(f"  {node}: {problem}")
