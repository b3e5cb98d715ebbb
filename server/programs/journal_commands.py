"""`keystead journal ...`: who changed what and why, and that nobody changed that."""

from pathlib import Path
from typing import Annotated, Any

import typer

from server.programs.exits import Exit
from server.programs.options import Data, Database, Json, admin_api, chosen_data
from server.programs.remote_options import RemoteTyper, given_remote
from server.programs.terminal import complain, fields, say, say_json, table

app = RemoteTyper(
    help="The journal: who changed what and why, and the proof that it is whole.",
    no_args_is_help=True,
)

_SHOWN = 50


@app.command("list")
def list_(
    context: typer.Context,
    *,
    about: Annotated[
        str | None,
        typer.Option(
            metavar="KIND[:ID]",
            help="Only what was done to these: client, client:3, key:cccccccccccb.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = _SHOWN,
    after: Annotated[
        int | None,
        typer.Option(
            min=0, help="Begin after this entry (default: the last ones).", show_default=False
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List entries, the newest last."""
    from urllib.parse import urlencode  # noqa: PLC0415 - most commands do without

    query: dict[str, str | int] = {"limit": limit}
    if about is not None:
        kind, colon, name = about.partition(":")
        query |= {"kind": kind, "id": name} if colon else {"kind": kind}
    if after is not None:
        query["after"] = after
    path = "/journal" if after is not None else "/journal/latest"
    with admin_api(context, data, database) as admin:
        entries: list[dict[str, Any]] = admin.get(f"{path}?{urlencode(query)}")["entries"]
    if as_json:
        say_json({"entries": entries})
        return
    columns = ["sequence", "time", "actor", "action", "object", "reason"]
    table([{**entry, **_flat(entry)} for entry in entries], columns)


@app.command("show")
def show(
    context: typer.Context,
    sequence: Annotated[int, typer.Argument(metavar="N", min=1, help="The entry's number.")],
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show one entry, with what it changed."""
    with admin_api(context, data, database) as admin:
        entry = admin.get(f"/journal/{sequence}")
    if as_json:
        say_json(entry)
    else:
        fields({**entry, **_flat(entry)})


def _flat(entry: dict[str, Any]) -> dict[str, str]:
    actor, thing = entry["actor"], entry["object"]
    return {
        "time": entry["time"][:19] + "Z",
        "actor": f"{actor['kind']} {actor['name']}",
        "object": f"{thing['kind']} {thing['id']}".rstrip(),
    }


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='A new file, or "-" for standard output.')
    ] = "-",
    *,
    data: Data = None,
    database: Database = None,
) -> None:
    """Write the journal as JSON lines, signed up to its end, for `keystead journal verify`."""
    from server.programs.journal_files import new_file, write_export  # noqa: PLC0415

    with admin_api(context, data, database) as admin, new_file(file) as stream:
        entries = write_export(admin, stream)
    complain(f"{entries} entries exported.")


@app.command("verify")
def verify(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="An export to verify, without any service (default: the store's journal).",
            show_default=False,
        ),
    ] = None,
    *,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="The public key, from `keystead journal public-key`; again for more keys.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoints that were kept elsewhere, one JSON object a line.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Verify that the journal is whole; name the first bad entry. Exit code 5: it is not."""
    from server.programs import journal_files  # noqa: PLC0415 - takes the cryptography

    keys = [key for path in public_key or () for key in journal_files.read_public_keys(path)]
    kept = [one for path in checkpoint or () for one in journal_files.read_checkpoints(path)]
    if file is not None:
        if not keys:
            raise typer.BadParameter("give the --public-key that its checkpoints are signed with")
        verdict = journal_files.verify_file(file, keys, kept)
    else:
        with admin_api(context, data, database) as admin:
            is_here = given_remote(context) is None
            here = chosen_data(context, data).checkpoints_file if is_here else None
            verdict = journal_files.verify_store(admin, keys, kept, here)
    if as_json:
        say_json(journal_files.verdict_to_json(verdict))
    elif verdict.fault is None:
        say(
            f"The journal is whole: {verdict.end.sequence} entries, {verdict.attested} of them"
            f" confirmed by {verdict.checkpoints} signed checkpoints."
        )
    if verdict.fault is not None:
        complain(f"keystead: the journal is not whole. First bad entry: {verdict.fault.sequence}")
        complain(f"  {verdict.fault.what}")
        raise typer.Exit(Exit.DAMAGED)


@app.command("checkpoint")
def checkpoint(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Sign where the journal ends now. Keep what it prints away from this machine."""
    import json  # noqa: PLC0415 - with the network, not before

    with admin_api(context, data, database) as admin:
        made = admin.post("/journal/checkpoints")
    if as_json:
        say_json(made)
    else:
        say(json.dumps(made))


@app.command("public-key")
def public_key(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Print the public key that this installation's checkpoints are verified with (PEM)."""
    with admin_api(context, data, database) as admin:
        found = admin.get("/journal/key")
    if as_json:
        say_json(found)
        return
    for line in found["public_key"].splitlines():
        say(line)
