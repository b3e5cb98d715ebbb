"""`keystead incident export` and `verify`: the ledger as a file, and that nobody touched it."""

from pathlib import Path
from typing import Annotated

import typer

from server.programs.exits import Exit
from server.programs.incident_app import app
from server.programs.options import Data, Database, Json, Reason, admin_api, chosen_data
from server.programs.remote_options import given_remote
from server.programs.terminal import complain, fields, say, say_json

__all__ = ["app"]


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='A new file, or "-" for standard output.')
    ] = "-",
    *,
    minutes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the minutes that its entries commit to, too: what figures are made of.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Write the ledger as JSON lines, signed up to its end, for `keystead incident verify`."""
    from server.programs.journal_files import LEDGER, new_file, write_export  # noqa: PLC0415
    from server.programs.minutes_files import write_minutes  # noqa: PLC0415

    with admin_api(context, data, database) as admin:
        with new_file(file) as stream:
            entries = write_export(admin, stream, LEDGER)
        complain(f"{entries} entries exported.")
        if minutes is not None:
            with new_file(str(minutes)) as stream:
                days = write_minutes(admin, stream)
            complain(f"Minutes of {days} days exported.")


@app.command("verify")
def verify(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="An export to verify, without any service (default: the store's ledger).",
            show_default=False,
        ),
    ] = None,
    *,
    key: Annotated[
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
    minutes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Minutes from `export --minutes`: hold them against the entries of FILE.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Verify that the ledger is whole; name the first bad entry. Exit code 5: it is not.

    An erased payload is no damage. Without a checkpoint that was kept elsewhere nothing shows
    that the whole chain was not written anew by who has the signing key.
    """
    from server.programs import journal_files  # noqa: PLC0415 - takes the cryptography
    from server.programs.minutes_files import hold_minutes  # noqa: PLC0415
    from server.uptime.proof import MinutesProof  # noqa: PLC0415

    keys = [one for path in key or () for one in journal_files.read_public_keys(path)]
    kept = [one for path in checkpoint or () for one in journal_files.read_checkpoints(path)]
    proof = MinutesProof()
    if minutes is not None and file is None:
        raise typer.BadParameter("give the export that the --minutes belong to")
    if file is not None:
        if not keys:
            raise typer.BadParameter("give the --key that its checkpoints are signed with")
        verdict = journal_files.verify_file(file, keys, kept, journal_files.LEDGER, proof.tell)
    else:
        with admin_api(context, data, database) as admin:
            is_here = given_remote(context) is None
            here = chosen_data(context, data).ledger_checkpoints_file if is_here else None
            verdict = journal_files.verify_store(admin, keys, kept, here, journal_files.LEDGER)
    held = None
    if minutes is not None and verdict.fault is None:
        held = hold_minutes(minutes, proof)
        verdict = verdict._replace(fault=held.fault)
    if as_json:
        days = {} if held is None else {"days_proved": held.proved, "days_missing": held.missing}
        say_json(journal_files.verdict_to_json(verdict) | days)
    elif verdict.fault is None:
        say(
            f"The ledger is whole: {verdict.end.sequence} entries, {verdict.attested} of them"
            f" confirmed by {verdict.checkpoints} signed checkpoints."
        )
        if held is not None:
            say(f"The minutes of {held.proved} days are theirs; of {held.missing} there are none.")
    if verdict.fault is not None:
        complain(f"keystead: the ledger is not whole. First bad entry: {verdict.fault.sequence}")
        complain(f"  {verdict.fault.what}")
        raise typer.Exit(Exit.DAMAGED)


@app.command("erase")
def erase(
    context: typer.Context,
    sequence: Annotated[int, typer.Argument(metavar="N", min=1, help="The entry's number.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Erase what an entry of the ledger says, for good. The chain stays whole."""
    from server.programs.admin_client import because  # noqa: PLC0415 - with the network

    with admin_api(context, data, database) as admin:
        entry = admin.post(because(f"/ledger/{sequence}/erase", reason))
    if as_json:
        say_json(entry)
    else:
        fields({**entry, "payload": "erased"})
