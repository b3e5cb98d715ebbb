"""`keystead-ceremony backup`, `restore`, `split` and `join`."""

from pathlib import Path
from typing import Annotated

import typer

from server.programs.ceremony_options import (
    DEFAULT_CONNECTOR,
    DEFAULT_SECRET_FILE,
    CeremonyFile,
    Connector,
    ManifestFile,
    OperatorKey,
    Password,
    PasswordFile,
    SecretFile,
    beside,
    chosen_device,
    chosen_manifest,
)
from server.programs.exits import CommandError, Exit
from server.programs.hardening import keep_memory_private

_DEFAULT_SHARES, _DEFAULT_THRESHOLD = 5, 3

ShareFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--share-file",
        metavar="FILE",
        help="A file with a share, mode 0600; again for more (default: they are typed).",
        show_default=False,
    ),
]
Shares = Annotated[int, typer.Option(min=2, max=15, help="How many shares there shall be.")]
Threshold = Annotated[int, typer.Option(min=2, max=15, help="How many of them are enough.")]
SharesTo = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write each share into a file of its own there (default: shown on the terminal).",
        show_default=False,
    ),
]


def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the backup goes: a new file.")
    ],
    *,
    target: Annotated[
        Path | None,
        typer.Option(
            "--for",
            metavar="FILE",
            help="Wrap for the device that `restore --prepare` made this transport key on"
            " (default: under a key that is then in shares only).",
            show_default=False,
        ),
    ] = None,
    accept_emulator: Annotated[
        bool,
        typer.Option(
            "--accept-emulator",
            help="Let the keys go to a device that is not proven to be hardware.",
        ),
    ] = False,
    shares: Shares = _DEFAULT_SHARES,
    threshold: Threshold = _DEFAULT_THRESHOLD,
    shares_to: SharesTo = None,
    manifest: ManifestFile = None,
    connector: Connector = DEFAULT_CONNECTOR,
    secret_file: SecretFile = DEFAULT_SECRET_FILE,
    ceremony_file: CeremonyFile = None,
) -> None:
    """Take a backup of a device's keys: for one other device, or under shares."""
    from server.programs.ceremony_restoring import Sealing, back_up  # noqa: PLC0415

    keep_memory_private()
    if threshold > shares:
        raise CommandError(f"{threshold} of {shares} shares cannot be enough", Exit.USAGE)
    back_up(
        chosen_device(connector),
        chosen_manifest(manifest),
        beside(secret_file, ceremony_file, "ceremony.key"),
        file,
        Sealing(target, accept_emulator, shares, threshold, shares_to),
    )


def restore(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The backup; with --prepare: where the transport key goes."
        ),
    ],
    *,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Make the device ready, and write the public key that `backup --for` wraps with.",
        ),
    ] = False,
    share_file: ShareFiles = None,
    manifest: ManifestFile = None,
    connector: Connector = DEFAULT_CONNECTOR,
    secret_file: SecretFile = DEFAULT_SECRET_FILE,
    ceremony_file: CeremonyFile = None,
    operator_key: OperatorKey = None,
    password_file: PasswordFile = None,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the report and the transcript go."),
    ] = Path(),
) -> None:
    """Make a fresh device what another one was, prove it, and write a signed report."""
    from server.programs.ceremony_performing import Files  # noqa: PLC0415
    from server.programs.ceremony_restoring import prepared, restored  # noqa: PLC0415

    keep_memory_private()
    files = Files(
        host=secret_file,
        ceremony=beside(secret_file, ceremony_file, "ceremony.key"),
        operator=beside(secret_file, operator_key, "operator.key"),
        out=out,
    )
    device, wanted, password = (
        chosen_device(connector),
        chosen_manifest(manifest),
        Password(password_file),
    )
    if prepare:
        prepared(device, wanted, files, password, file)
    else:
        restored(device, wanted, files, password, file=file, share_files=share_file or [])


def split(
    *,
    secret_file: SecretFile = DEFAULT_SECRET_FILE,
    ceremony_file: CeremonyFile = None,
    shares: Shares = _DEFAULT_SHARES,
    threshold: Threshold = _DEFAULT_THRESHOLD,
    shares_to: SharesTo = None,
) -> None:
    """Split the ceremony's secret into shares for several safes. The file stays: remove it."""
    from server.programs.ceremony_restoring import split_secret  # noqa: PLC0415

    keep_memory_private()
    if threshold > shares:
        raise CommandError(f"{threshold} of {shares} shares cannot be enough", Exit.USAGE)
    file = beside(secret_file, ceremony_file, "ceremony.key")
    split_secret(file, shares=shares, threshold=threshold, folder=shares_to)


def join(
    *,
    secret_file: SecretFile = DEFAULT_SECRET_FILE,
    ceremony_file: CeremonyFile = None,
    share_file: ShareFiles = None,
) -> None:
    """Put the ceremony's secret together again, into a file for the next ceremony."""
    from server.programs.ceremony_restoring import join_secret  # noqa: PLC0415

    keep_memory_private()
    join_secret(beside(secret_file, ceremony_file, "ceremony.key"), share_file or [])
