"""`keystead backup ...` and `keystead restore`: a store in one encrypted file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from server.programs.options import Data, Database, Json, chosen_data, database_setting
from server.programs.terminal import complain, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.backup.restore import Backup

_DEFAULT = "make"


class _FileFirst(TyperGroup):
    """Takes `keystead backup FILE` for `keystead backup make FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer's own
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_FileFirst, help="Backups of the store.", no_args_is_help=True)

Identity = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="The age identity that opens it (default: ~/.config/keystead/backup.identity).",
        show_default=False,
    ),
]
Journals = Annotated[
    list[Path] | None,
    typer.Option(
        "--counter-journal",
        metavar="DIR",
        help="A directory with counter journals to replay; may be repeated.",
        show_default=False,
    ),
]


@app.command(_DEFAULT)
def make(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    *,
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AGE1...",
            help="Who can open it, instead of the configured backup.recipients; may be repeated.",
            show_default=False,
        ),
    ] = None,
    with_key_file: Annotated[
        bool,
        typer.Option(
            "--with-key-file",
            help="Put the files in secrets/ into it too: who opens the backup has every key.",
        ),
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write a consistent, encrypted backup of the store, also while it serves."""
    from server.programs.backup import back_up  # noqa: PLC0415
    from server.programs.installation import configuration  # noqa: PLC0415

    directory = chosen_data(context, data)
    config = configuration(directory, [database_setting(database)])
    done = back_up(
        directory, config, file, to=recipient or config.backup.recipients, with_keys=with_key_file
    )
    for line in done.notices:
        complain(f"keystead: {line}")
    if as_json:
        say_json({**done.made._asdict(), "file": str(done.made.file), "seconds": done.seconds})
        return
    made = done.made
    say(f"{made.file}: {made.keys} keys, {made.clients} clients, {made.octets:,} octets.")
    if not with_key_file:
        say(f"Keep {directory.secrets} apart from it: without its files no stored key opens.")


@app.command("key")
def key(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Where the identity goes (default: backup.identity in ~/.config/keystead).",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Make an identity that opens backups, and print the recipient they are encrypted to."""
    from server.backup.recipients import create_identity, default_identity_file  # noqa: PLC0415

    path = file or default_identity_file()
    recipient = create_identity(path)
    if as_json:
        say_json({"identity": str(path), "recipient": recipient})
        return
    say(f"Identity: {path}. Keep it elsewhere: whoever has it opens the backups, nobody else can.")
    say("For keystead.toml:")
    say(f'[backup]\nrecipients = ["{recipient}"]')


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")],
    *,
    identity: Identity = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="secrets/hsm.key (an emulator's file is taken from beside it), or an older"
            " installation's sealing.key, when the backup does not hold them.",
            show_default=False,
        ),
    ] = None,
    counter_journal: Journals = None,
    only_drill: Annotated[
        bool,
        typer.Option("--drill", help="Prove the backup in a scratch directory; keep nothing."),
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Restore a backup into an empty data directory; all keys are fenced until released."""
    from server.backup.recipients import default_identity_file, load_identities  # noqa: PLC0415
    from server.backup.restore import verify  # noqa: PLC0415

    directory = chosen_data(context, data)
    journals: Sequence[Path] = counter_journal or []
    if not only_drill:
        from server.programs.restore import refuse_unless_empty  # noqa: PLC0415

        refuse_unless_empty(directory)
    backup: Backup = verify(file, load_identities(identity or default_identity_file()))
    if only_drill:
        from server.programs.restore import drill_backup, tell_drill  # noqa: PLC0415

        drilled = drill_backup(backup, directory, key_file, journals)
        if as_json:
            say_json(drilled)
        else:
            tell_drill(drilled)
        return
    from server.programs.restore import restore_backup, tell_restored  # noqa: PLC0415

    restored = restore_backup(backup, directory, database, key_file, journals)
    if as_json:
        say_json(restored)
    else:
        tell_restored(restored, directory)
