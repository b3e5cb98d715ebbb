"""`keystead fleet ...`: hosts with an agent, their YubiKeys, and whom an advisory hits."""

from typing import Annotated, Any

import typer

from server.programs import fleet_advisory_commands, fleet_holder_commands
from server.programs.admin_client import because
from server.programs.fleet_roots_commands import roots_app
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.sheets import Csv, one_form, say_sheet
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(help="YubiKeys on laptops: what agents report.", no_args_is_help=True)
token_app = RemoteTyper(help="Tokens that let hosts in.", no_args_is_help=True)
app.add_typer(token_app, name="token")
fleet_advisory_commands.register(app)
app.add_typer(fleet_holder_commands.app, name="holders")
app.add_typer(fleet_holder_commands.host_app, name="host")
app.add_typer(roots_app, name="roots")

_PAGE = 1000
_HOST_COLUMNS = (
    *("id", "name", "person", "state", "system", "release", "agent", "enrolled", "reported"),
    *("reports", "dropped", "missing", "clashes", "altered", "silent", "faults"),
)
_KEY_COLUMNS = (
    *("id", "serial", "firmware", "level", "faults", "unknown", "first_seen", "last_seen", "seen"),
    *("person", "kind", "claims"),
)


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
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List hosts, whose they are, how far their reports are, what is wrong with their software."""
    one_form(as_csv=as_csv, as_json=as_json)
    query = {} if rule is None else {"rule": rule}
    with admin_api(context, data, database) as admin:
        if as_csv:
            say_sheet(_HOST_COLUMNS, map(_host_line, admin.walk("hosts", below="fleet/", **query)))
            return
        found = admin.pages("hosts", below="fleet/", **query)
    if as_json:
        say_json({"hosts": found})
        return
    if rule is not None:
        behind = [one | fault for one in found for fault in one["faults"]]
        table(behind, ["id", "name", "person", "level", "package", "version", "newest"])
        say("Distributions mend old releases without a new number: look before you count these.")
        return
    columns = ["id", "name", "person", "state", "silent", "system", "agent", "reported", "missing"]
    table(found, [*columns, "clashes", "altered"])


def _host_line(host: dict[str, Any]) -> dict[str, Any]:
    rules = sorted({fault["rule"] for fault in host["faults"]})
    return host | {"faults": " ".join(rules)}


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


@app.command("erase-key")
def erase_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="As serial:10000001.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Forget a key that left the organisation, with everything about it."""
    with admin_api(context, data, database) as admin:
        erased = admin.post(because(f"/fleet/keys/{_quoted(key_id)}/erase", reason))
    if as_json:
        say_json(erased)
    else:
        say("The key is erased. Who sees it tomorrow or later brings it back.")


@app.command("retention")
def retention(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """Say what would be forgotten now, and what is next; nothing is changed."""
    with admin_api(context, data, database) as admin:
        found = admin.get("/fleet/retention")
    if as_json:
        say_json(found)
        return
    say(f"The job was there last at {found['looked'] or '-'}. What is due goes with its next run.")
    say()
    lines = [one | {"days": one["days"] or "for good"} for one in found["kept"]]
    table(lines, ["what", "days", "due", "next"])
    if found["hosts"]:
        say()
        table(found["hosts"], ["id", "name", "state", "heard", "silent", "erased"])


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
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List keys: firmware, health, where they were seen, and who holds them."""
    one_form(as_csv=as_csv, as_json=as_json)
    asked = {"serial": serial, "host": host, "firmware": firmware, "rule": rule, "level": level}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    with admin_api(context, data, database) as admin:
        if as_csv:
            say_sheet(_KEY_COLUMNS, map(_line, admin.walk("keys", below="fleet/", **query)))
            return
        found = admin.pages("keys", below="fleet/", **query)
    if as_json:
        say_json({"keys": found})
        return
    columns = ("id", "firmware", "level", "faults", "last_seen", "seen", "person", "kind")
    table([_line(one) for one in found], columns)


def _line(key: dict[str, Any]) -> dict[str, Any]:
    rules = sorted({fault["rule"] for fault in key["faults"]})
    unknown = sorted({one["rule"] for one in key["unknown"]})
    names = [seen["name"] for seen in key["seen"]]
    held = key["holder"] or {"person": None, "kind": None}
    return key | {
        "faults": " ".join(rules),
        "unknown": " ".join(unknown),
        "seen": " ".join(names),
        "person": held["person"],
        "kind": held["kind"],
        "claims": len(key["claims"]) or None,
    }


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
    parts = ("faults", "unknown", "lifecycle", "facts", "unreadable", "seen", "holder", "claims")
    fields({name: value for name, value in found.items() if name not in parts} | _held(found))
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
        ("seen", ["name", "person", "first", "last", "attached"]),
        ("claims", ["trust", "person", "kind", "day", "host"]),
    ):
        if found[name]:
            say()
            table(found[name], columns)
    if changes:
        say()
        table(changes, ["time", "host", "fact", "before", "after"])


def _held(key: dict[str, Any]) -> dict[str, Any]:
    """Return who holds a key, for people: a word, and how far it can be believed."""
    held = key["holder"]
    if held is None:
        return {"holder": None}
    since = f" since {held['lost']}" if held["lost"] else ""
    return {"holder": f"{held['person']}, {held['kind']}{since} ({held['trust']})"}


def _quoted(text: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - most commands do without

    return quote(text, safe=":")
