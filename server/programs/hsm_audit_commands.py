"""`keystead hsm audit ...`: the archived logs of HSMs, proven and read without any device."""

from pathlib import Path
from typing import Annotated

import typer

from server.programs.exits import Exit
from server.programs.options import Data, Json, chosen_data
from server.programs.terminal import complain, say, say_json, table

app = typer.Typer(help="What the HSMs' logs tell: archived, chained, signed.", no_args_is_help=True)

_SHOWN = 50


@app.command("verify")
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Archives (hsm-log/SERIAL.jsonl); of machines that share a device, all of them.",
        ),
    ],
    *,
    public_key: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="The public key, from `keystead journal public-key`; again for more keys.",
        ),
    ],
    noted: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N:HASH",
            help="A record of the first archive as it was noted elsewhere: sequence and hash of a"
            " line hsm_log_archived in the service's log.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify that archives are whole, without a service. Exit code 5: one is not."""
    from server.programs import hsm_archives  # noqa: PLC0415 - takes the cryptography

    verdicts = hsm_archives.verify_files(files, public_key, noted or [])
    if as_json:
        say_json([hsm_archives.verdict_to_json(one) for one in verdicts])
    for file, verdict in zip(files, verdicts, strict=True):
        fault = verdict.fault
        if fault is not None:
            where = f"line {fault.line}" if fault.line else "its end"
            complain(f"keystead: {file} is not whole, at {where}: {fault.what}")
        elif not as_json:
            alarms = sum(found.is_alarm for _, found in verdict.findings)
            torn = f" A last line of {verdict.torn} octets was cut off." if verdict.torn else ""
            say(
                f"{file} is whole: device {verdict.serial}, {verdict.records} records,"
                f" {verdict.entries} entries, {alarms} alarms. Its end is"
                f" {verdict.records}:{verdict.hash.hex()}.{torn}"
            )
    if any(one.fault is not None for one in verdicts):
        raise typer.Exit(Exit.DAMAGED)


@app.command("findings")
def findings(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...",
            help="Archives (default: those in the data directory).",
            show_default=False,
        ),
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, the last ones.")] = _SHOWN,
    every: Annotated[
        bool, typer.Option("--all", help="Also what is expected: starts, ceremonies.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what was found in the HSMs' logs, the newest last. It proves nothing: `verify` does."""
    from server.programs import hsm_archives  # noqa: PLC0415

    chosen = files or hsm_archives.archives_in(chosen_data(context, data).hsm_log)
    rows = hsm_archives.findings_of(chosen, limit, every=every)
    if as_json:
        say_json({"findings": rows})
    else:
        table(rows, ["time", "device", "record", "entry", "kind", "what"])
