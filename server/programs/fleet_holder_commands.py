"""`keystead fleet holders ...`, `keystead fleet host ...`: who holds a key, and whose a host is."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from server.programs.admin_client import RefusedError, because
from server.programs.exits import CommandError, Exit
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.sheets import say_sheet
from server.programs.terminal import complain, say, say_json, table

if TYPE_CHECKING:
    from server.programs.admin_client import AdminClient

app = RemoteTyper(help="Who holds which key: primary, spare, lost.", no_args_is_help=True)
host_app = RemoteTyper(help="Whose a host is.", no_args_is_help=True)

MAX_FILE_OCTETS = 8 * 1024 * 1024
_COLUMNS = ("key", "serial", "person", "kind")

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="The key's serial number, or its id: serial:10000001.")
]
Host = Annotated[str, typer.Argument(metavar="HOST", help="The host's id, or its name.")]
Person = Annotated[str, typer.Option("--person", metavar="NAME", help="Who holds it.")]
Kind = Annotated[
    str, typer.Option("--kind", metavar="KIND", help="primary, spare or lost.", show_default=True)
]


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help="Columns person, kind and serial or key, named in the first line; UTF-8.",
        ),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Import who holds which key: all of a sheet, or nothing and every fault with its line."""
    text = _read(file)
    path = f"/fleet/holders/import?dry_run={'yes' if dry_run else 'no'}"
    try:
        with admin_api(context, data, database) as admin:
            done = admin.upload(because(path, reason), text, "text/csv; header=present")
    except RefusedError as refused:
        report = refused.value
        if not isinstance(report, dict) or "errors" not in report:
            raise
        _tell_faults(file, report, as_json=as_json)
        raise typer.Exit(Exit.REFUSED) from None
    if as_json:
        say_json(done)
        return
    say(", ".join(f"{done[change]} {change}" for change in ("new", "changed", "unchanged")))
    say("Imported." if done["imported"] else "Nothing was changed: this was a dry run.")


@app.command("export")
def export(context: typer.Context, *, data: Data = None, database: Database = None) -> None:
    """Print a sheet of all holders, which `import` reads."""
    with admin_api(context, data, database) as admin:
        found = admin.walk("holders", below="fleet/")
        say_sheet(_COLUMNS, (one | {"serial": _serial(one["key"])} for one in found))


@app.command("list")
def list_(
    context: typer.Context,
    *,
    serial: Annotated[
        int | None, typer.Option(help="Only this serial number.", show_default=False)
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this person's keys.", show_default=False),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Only primary, spare or lost.", show_default=False),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List who holds which key, also of keys that no host has seen yet."""
    asked = {"serial": serial, "person": person, "kind": kind}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    with admin_api(context, data, database) as admin:
        found = admin.pages("holders", below="fleet/", **query)
    if as_json:
        say_json({"holders": found})
        return
    lines = [
        one | {"seen": one["last_seen"] or "never", "claims": len(one["claims"]) or None}
        for one in found
    ]
    table(lines, ["key", "person", "kind", "lost", "seen", "claims"])


@app.command("set")
def set_(
    context: typer.Context,
    key: Key,
    *,
    person: Person,
    kind: Kind = "primary",
    handed_over: Annotated[
        bool,
        typer.Option(
            "--handed-over",
            help="What hosts saw up to today says nothing of who has it: ends an alarm.",
        ),
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say who holds a key, which need not have been seen yet."""
    named = {"serial": int(key)} if _is_number(key) else {"key": key}
    value = {**named, "person": person, "kind": kind, "handed_over": handed_over}
    with admin_api(context, data, database) as admin:
        held = admin.post(because("/fleet/holders", reason), value)
    if as_json:
        say_json(held)
    else:
        say(f"{held['key']}: {held['kind']} of {held['person']}.")


@app.command("remove")
def remove(
    context: typer.Context,
    key: Key,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Take out who holds a key."""
    with admin_api(context, data, database) as admin:
        path = f"/fleet/holders/{_key_id(admin, key)}"
        gone = admin.call("DELETE", because(path, reason))
    if as_json:
        say_json(gone)
    else:
        say(f"Nobody is registered for {gone['key']} any more.")


@app.command("erase")
def erase(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The name, however spelt.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Forget a person for good: what they hold, whose hosts are theirs, and what was claimed."""
    with admin_api(context, data, database) as admin:
        gone = admin.post(because("/fleet/persons/erase", reason), {"person": person})
    if as_json:
        say_json(gone)
        return
    say(f"Forgotten: {gone['holders']} keys, {gone['hosts']} hosts, {gone['claims']} claims.")


@app.command("claims")
def claims(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """List what hosts' users say of who holds a key, until somebody decides."""
    with admin_api(context, data, database) as admin:
        found = admin.pages("claims", below="fleet/")
    if as_json:
        say_json({"claims": found})
    else:
        table(found, ["key", "host", "person", "kind", "day"])


@app.command("accept")
def accept(
    context: typer.Context,
    key: Key,
    *,
    host: Annotated[str, typer.Option("--host", help="Whose claim: the host's id.")] = "",
    person: Annotated[
        str,
        typer.Option("--person", help="Only if this is the name in it: its user may change it."),
    ] = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make the registry say what a host's user says of a key."""
    with admin_api(context, data, database) as admin:
        key_id, claim = _claim(admin, key, host)
        if person and person.casefold().split() != claim["person"].casefold().split():
            raise CommandError(
                f"the claim about the key {key} names {claim['person']} now; list the claims"
            )
        path = f"/fleet/holders/{key_id}/accept"
        held = admin.post(because(path, reason), {"host": claim["host"], "claim": claim["id"]})
    if as_json:
        say_json(held)
    else:
        say(f"{held['key']}: {held['kind']} of {held['person']}.")


@app.command("dismiss")
def dismiss(
    context: typer.Context,
    key: Key,
    *,
    host: Annotated[str, typer.Option("--host", help="Whose claim: the host's id.")] = "",
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Take away what a host's user says of a key."""
    with admin_api(context, data, database) as admin:
        key_id, found = _claim(admin, key, host)
        path = f"/fleet/holders/{key_id}/dismiss"
        claim = admin.post(because(path, reason), {"host": found["host"], "claim": found["id"]})
    if as_json:
        say_json(claim)
    else:
        say(f"The claim about {claim['key']} is gone.")


@host_app.command("assign")
def assign(
    context: typer.Context,
    host: Host,
    *,
    person: Annotated[
        str, typer.Option("--person", metavar="NAME", help='Whose it is; "" for nobody\'s.')
    ],
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say whose a host is: a key that hosts of two persons see raises an alarm."""
    with admin_api(context, data, database) as admin:
        path = f"/fleet/hosts/{_host_id(admin, host)}/assign"
        found = admin.post(because(path, reason), {"person": person})
    if as_json:
        say_json(found)
    else:
        say(f"{found['name']} is {found['person'] or 'nobody'}'s.")


def _tell_faults(file: Path, report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        faults = {name: report[name] for name in ("errors", "errors_total")}
        say_json({"imported": False, **faults})
        return
    for fault in report["errors"]:
        where = f"{file}:{fault['line']}"
        if fault["column"]:
            where = f"{where}:{fault['column']}"
        complain(f"{where}: {fault['name']}{fault['name'] and ': '}{fault['error']}")
    more = report["errors_total"] - len(report["errors"])
    if more:
        complain(f"and {more} more")
    complain(str(report["detail"]))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    if len(text) > MAX_FILE_OCTETS:
        raise CommandError(f"{file} is larger than {MAX_FILE_OCTETS:,} octets: import it in parts")
    return text


def _serial(key_id: str) -> str:
    return key_id.removeprefix("serial:") if key_id.startswith("serial:") else ""


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdecimal()


def _key_id(admin: "AdminClient", key: str) -> str:
    """Return the id of a registered key, in a path."""
    if _is_number(key):
        found = admin.get(f"/fleet/holders?serial={key}")["holders"]
        if not found:
            raise CommandError(f"nobody is registered for the key {key}", Exit.NOT_FOUND)
        key = found[0]["key"]
    return quote(key, safe=":")


def _claim(admin: "AdminClient", key: str, host: str) -> tuple[str, dict[str, str]]:
    """Return the key's id, in a path, and the claim that is meant."""
    if _is_number(key):
        waiting = admin.pages("claims", below="fleet/", serial=key)
    else:
        waiting = [one for one in admin.pages("claims", below="fleet/") if one["key"] == key]
    meant = [one for one in waiting if host in {"", one["host"]}]
    if not meant:
        raise CommandError(f"no such claim about the key {key} waits", Exit.NOT_FOUND)
    if len(meant) > 1:
        hosts = ", ".join(one["host"] for one in meant)
        raise CommandError(f"several hosts claim something of it; say which with --host: {hosts}")
    return quote(meant[0]["key"], safe=":"), meant[0]


def _host_id(admin: "AdminClient", host: str) -> str:
    """Return the id of the active host that is meant by its id or its name."""
    if re.fullmatch("[0-9a-f]{32}", host):
        return host
    for one in admin.walk("hosts", below="fleet/"):
        if one["state"] == "active" and one["name"].casefold() == host.casefold():
            return str(one["id"])
    raise CommandError(f"there is no active host {host}", Exit.NOT_FOUND)
