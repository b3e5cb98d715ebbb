"""`keystead vault ...`: the keys that everything is sealed under."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.programs.exits import CommandError, Exit
from server.programs.options import Data, Database, Json, admin_api, chosen_data, database_setting
from server.programs.progress import bar
from server.programs.remote_options import RemoteTyper, given_remote
from server.programs.terminal import say, say_json, table

if TYPE_CHECKING:
    from server.programs.admin_client import AdminClient

app = RemoteTyper(help="The keys that everything is sealed under.", no_args_is_help=True)

Why = Annotated[str, typer.Option("--reason", help="Why; it is kept for good.")]
Ceremony = Annotated[
    Path | None,
    typer.Option(
        "--ceremony-secret",
        metavar="FILE",
        help="The ceremony's secret, on the service's machine, if it is not in secrets/ any more.",
        show_default=False,
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until the last record is under the new keys.")
]

_LOOK_EVERY_S = 0.5
_AT_MOST_S = 5.0


@app.command("status")
def status(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """Show the keys, how many records are sealed under each, and a rotation under way."""
    with admin_api(context, data, database) as admin:
        found = admin.get("/vault")
    if as_json:
        say_json(found)
        return
    table(found["keys"], ("kind", "key", "name", "state", "records"))
    if found["unknown"]:
        say(f"{found['unknown']} records are under keys that this vault does not have: an alarm.")
    if found["rotation"]:
        say(f"A rotation goes on since {found['rotation']['began']}: {_left(found)} records left.")
        if found["rotation"]["trouble"]:
            say(f"It waits, and is tried again by itself: {found['rotation']['trouble']}")


@app.command("rotate")
def rotate(
    context: typer.Context,
    *,
    reason: Why,
    ceremony_secret: Ceremony = None,
    wait: Wait = True,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Bring all records under new keys while the service goes on; the old keys are destroyed."""
    with admin_api(context, data, database) as admin:
        _begin(admin, "rotate", reason, ceremony_secret, wait=wait, as_json=as_json)


@app.command("migrate")
def migrate(
    context: typer.Context,
    *,
    reason: Why,
    ceremony_secret: Ceremony = None,
    wait: Wait = True,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Bring all records under what is configured: from a key file to data keys, or into the HSM.

    An installation with a key file gets its HSM now: the emulator, if no hsm.connectors are set.
    """
    if given_remote(context) is None:
        _set_up(context, data, database)
    with admin_api(context, data, database) as admin:
        _begin(admin, "migrate", reason, ceremony_secret, wait=wait, as_json=as_json)


def _set_up(context: typer.Context, data: Path | None, database: str | None) -> None:
    """Make the HSM of an installation that has none. Nothing is overwritten."""
    from server.programs.hsm_setup import set_up_hsm  # noqa: PLC0415 - takes the HSM's library
    from server.programs.installation import configuration  # noqa: PLC0415

    directory = chosen_data(context, data)
    directory.require()
    if not directory.has_hsm:
        set_up_hsm(directory, configuration(directory, [database_setting(database)]).hsm, None)


def _begin(
    admin: "AdminClient",
    what: str,
    reason: str,
    ceremony_secret: Path | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    file = None if ceremony_secret is None else str(ceremony_secret.absolute())
    begun = admin.post_patiently(f"/vault/{what}", {"reason": reason, "ceremony_secret": file})
    found = _waited(admin) if wait else admin.get("/vault")
    if as_json:
        say_json({**begun, "left": _left(found)})
    elif wait:
        say(f"All records are under {begun['otp']} and {begun['secrets']}; the old keys are gone.")
        say("Backups of before need what opens them: keep the HSM's, or the key file.")
    else:
        say(f"It goes on by itself, {_left(found)} records are left: keystead vault status")


def _waited(admin: "AdminClient") -> Any:  # noqa: ANN401 - JSON
    """Return the status when no rotation stands any more; CommandError when it does not go on."""
    total, pause_s = 0, _LOOK_EVERY_S
    with bar() as shown:
        while True:
            found = admin.get("/vault")
            if found["rotation"] is None:
                return found
            trouble = found["rotation"]["trouble"]
            if trouble:
                raise CommandError(
                    f"the rotation waits, and is tried again by itself: {trouble}", Exit.REFUSED
                )
            left = _left(found)
            total = max(total, left)
            shown.reach("records", total - left, total)
            time.sleep(pause_s)
            pause_s = min(_AT_MOST_S, pause_s * 1.5)  # each look reads what all records begin with


def _left(found: Any) -> int:  # noqa: ANN401 - JSON
    return 0 if found["rotation"] is None else int(found["rotation"]["left"])
