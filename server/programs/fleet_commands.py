"""`keystead fleet ...`: hosts with an agent, their YubiKeys, and whom an advisory hits."""

from typing import Annotated, Any

import typer

from server.programs import fleet_advisory_commands
from server.programs.admin_client import because
from server.programs.fleet_roots_commands import roots_app
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(help="YubiKeys on laptops: what agents report.", no_args_is_help=True)
token_app = RemoteTyper(help="Tokens that let hosts in.", no_args_is_help=True)
app.add_typer(token_app, name="token")
fleet_advisory_commands.register(app)
app.add_typer(roots_app, name="roots")


@token_app.command("create")
def create_token(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(metavar="NAME", help="The only host that it lets in.")],
    days: Annotated[int, typer.Option(min=1, help="How long it can be used.")] = 7,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="A host of that name ends when the token is used."),
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a token for `keystead-agent enroll`, shown only now."""
    value = {"host": host, "days": days, "replace": replace}
    with admin_api(context, data, database) as admin:
        made = admin.post(because("/fleet/tokens", reason), value)
    if as_json:
        say_json(made)
        return
    say(f"Token  {made['token']}")
    say(f"It lets {made['host']} in, once, until {made['expires']}, and is not shown again.")


@app.command("hosts")
def hosts(
    context: typer.Context,
    *,
    rule: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Only hosts with this fault: software-not-current.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List hosts, how far their reports are, and what is wrong with their software."""
    query = {} if rule is None else {"rule": rule}
    with admin_api(context, data, database) as admin:
        found = admin.pages("hosts", below="fleet/", **query)
    if as_json:
        say_json({"hosts": found})
        return
    if rule is not None:
        behind = [one | fault for one in found for fault in one["faults"]]
        table(behind, ["id", "name", "level", "package", "version", "newest"])
        say("Distributions mend old releases without a new number: look before you count these.")
        return
    table(
        found,
        ["id", "name", "state", "system", "agent", "reported", "missing", "clashes", "altered"],
    )


@app.command("erase")
def erase(
    context: typer.Context,
    host_id: Annotated[str, typer.Argument(metavar="HOST", help="The host's id.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Forget a host for good, and the keys that nobody else saw."""
    with admin_api(context, data, database) as admin:
        erased = admin.post(because(f"/fleet/hosts/{_quoted(host_id)}/erase", reason))
    if as_json:
        say_json(erased)
    else:
        say(f"Host {erased['id']} is erased: its name, its key and what it saw.")


@app.command("keys")
def keys(
    context: typer.Context,
    *,
    serial: Annotated[
        int | None, typer.Option(help="Only this serial number.", show_default=False)
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only keys seen there.", show_default=False)
    ] = None,
    firmware: Annotated[
        str | None,
        typer.Option(metavar="X[.Y[.Z]]", help="Only this firmware.", show_default=False),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="Only keys with this fault.", show_default=False),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL", help="danger, warning or notice: the worst.", show_default=False
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List keys: firmware, health, and where they were seen."""
    asked = {"serial": serial, "host": host, "firmware": firmware, "rule": rule, "level": level}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    with admin_api(context, data, database) as admin:
        found = admin.pages("keys", below="fleet/", **query)
    if as_json:
        say_json({"keys": found})
        return
    table([_line(one) for one in found], ["id", "firmware", "level", "faults", "last_seen", "seen"])


def _line(key: dict[str, Any]) -> dict[str, Any]:
    rules = sorted({fault["rule"] for fault in key["faults"]})
    names = [seen["name"] for seen in key["seen"]]
    return key | {"faults": " ".join(rules), "seen": " ".join(names)}


@app.command("key")
def key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="As serial:10000001.")],
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show one key: every fact, how far it can be believed, and what changed."""
    path = f"/fleet/keys/{_quoted(key_id)}"
    with admin_api(context, data, database) as admin:
        found = admin.get(path)
        changes = admin.get(f"{path}/changes")["changes"]
    if as_json:
        say_json(found | {"changes": changes})
        return
    parts = ("faults", "unknown", "lifecycle", "facts", "unreadable", "seen")
    fields({name: value for name, value in found.items() if name not in parts})
    say()
    facts = [
        {"fact": name, **said}
        for name, one in found["facts"].items()
        for said in (one, *one["others"])
    ]
    unread = [{"fact": name, "value": f"({why})"} for name, why in found["unreadable"].items()]
    table(facts + unread, ["fact", "value", "trust", "day", "host"])
    for name, columns in (
        ("faults", ["level", "title", "fact", "value"]),
        ("unknown", ["rule", "title"]),
        ("lifecycle", ["rule", "text", "day", "reached"]),
        ("seen", ["name", "first", "last", "attached"]),
    ):
        if found[name]:
            say()
            table(found[name], columns)
    if changes:
        say()
        table(changes, ["time", "host", "fact", "before", "after"])


def _quoted(text: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - most commands do without

    return quote(text, safe=":")
