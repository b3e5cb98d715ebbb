"""`keystead-ceremony plan`, `perform` and `verify`."""

from pathlib import Path
from typing import Annotated

import typer

from server.programs.ceremony_options import (
    DEFAULT_CONNECTOR,
    DEFAULT_SECRET_FILE,
    CeremonyFile,
    Clone,
    Connector,
    ManifestFile,
    OperatorKey,
    Password,
    PasswordFile,
    SecretFile,
    SubCa,
    beside,
    chosen_anchors,
    chosen_device,
    chosen_manifest,
    secret_in,
)
from server.programs.exits import CommandError, Exit
from server.programs.hardening import keep_memory_private
from server.programs.options import Json
from server.programs.terminal import complain, say, say_json


def plan(
    *,
    manifest: ManifestFile = None,
    connector: Connector = DEFAULT_CONNECTOR,
    secret_file: SecretFile = DEFAULT_SECRET_FILE,
    ceremony_file: CeremonyFile = None,
    password_file: PasswordFile = None,
    clone: Clone = False,
    as_json: Json = False,
) -> None:
    """Say what a ceremony would do on this device, and change nothing."""
    from server.programs.ceremony_performing import survey  # noqa: PLC0415

    keep_memory_private()
    ceremony = secret_in(beside(secret_file, ceremony_file, "ceremony.key"), "ceremony")
    surveyed = survey(
        chosen_device(connector),
        chosen_manifest(manifest),
        ceremony,
        Password(password_file),
        clone=clone,
    )
    if as_json:
        say_json(surveyed.as_json())
    else:
        surveyed.show()
    if surveyed.plan.refusals:
        raise typer.Exit(Exit.REFUSED)


def perform(
    *,
    manifest: ManifestFile = None,
    connector: Connector = DEFAULT_CONNECTOR,
    secret_file: SecretFile = DEFAULT_SECRET_FILE,
    ceremony_file: CeremonyFile = None,
    operator_key: OperatorKey = None,
    password_file: PasswordFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the transcript goes (default: ceremony-SERIAL-TIME.json here).",
            show_default=False,
        ),
    ] = None,
    clone: Clone = False,
    sub_ca: SubCa = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
    ] = False,
) -> None:
    """Make the device what the manifest says, and write a signed transcript.

    It may be cut off and begun again; what is done already is left and proven once more.
    """
    from server.programs.ceremony_performing import Files, perform_on  # noqa: PLC0415

    keep_memory_private()
    if out is not None and out.exists():
        raise CommandError(f"{out} exists already: a transcript never replaces another one")
    files = Files(
        host=secret_file,
        ceremony=beside(secret_file, ceremony_file, "ceremony.key"),
        operator=beside(secret_file, operator_key, "operator.key"),
        out=out,
    )
    perform_on(
        chosen_device(connector),
        chosen_manifest(manifest),
        files,
        Password(password_file),
        anchors=chosen_anchors(sub_ca or []),
        clone=clone,
        dry_run=dry_run,
    )


def verify(
    *,
    manifest: ManifestFile = None,
    connector: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"The device to check (default: {DEFAULT_CONNECTOR}; with --transcript: none).",
            show_default=False,
        ),
    ] = None,
    secret_file: SecretFile = DEFAULT_SECRET_FILE,
    transcript: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check this transcript.", show_default=False),
    ] = None,
    operator_public_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The key (PEM) of the operator who must have signed the transcript.",
            show_default=False,
        ),
    ] = None,
    sub_ca: SubCa = None,
    as_json: Json = False,
) -> None:
    """Check a device as the service does at its start, or a transcript without the device."""
    from server.programs import ceremony_verifying as verifying  # noqa: PLC0415

    keep_memory_private()
    wanted = chosen_manifest(manifest)
    anchors = chosen_anchors(sub_ca or [])
    checks = []
    if transcript is not None:
        checks.append(verifying.of_transcript(transcript, wanted, operator_public_key, anchors))
    elif operator_public_key is not None:
        raise CommandError("--operator-public-key goes with --transcript", Exit.USAGE)
    if connector is not None or transcript is None:
        device = chosen_device(connector or DEFAULT_CONNECTOR)
        checks.append(verifying.of_device(device, wanted, secret_file, anchors))
    if as_json:
        say_json([one.as_json() for one in checks])
    else:
        for one in checks:
            say(one.summary)
            for line in one.details:
                say(f"  {line}")
            for fault in one.faults:
                complain(f"- {fault}")
    worst = max((one.exit for one in checks), default=Exit.OK)
    if worst is not Exit.OK:
        raise typer.Exit(worst)
