"""Options that many commands share, and what they make of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.datadir import DataDirectory
from server.programs.installation import Setting, data_directory
from server.programs.remote_options import given_remote

if TYPE_CHECKING:
    from server.programs.admin_client import AdminClient

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data directory (default: $KEYSTEAD_DATA, else ./var).",
        show_default=False,
    ),
]
Connectors = Annotated[
    list[str] | None,
    typer.Option(
        "--hsm",
        metavar="URL",
        help="A YubiHSM 2 instead of the emulator: http://HOST:PORT of its connector,"
        " http+unix:///PATH or usb:SERIAL; may be repeated.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help='"sqlite" or postgresql://USER@HOST/DATABASE, instead of the configured one.'
        " A password goes into ~/.pgpass, never here.",
        show_default=False,
    ),
]


Reason = Annotated[str, typer.Option("--reason", help="Why, for whoever reads the journal later.")]


class Root:
    """What was given before the command: `keystead --data DIR serve`."""

    def __init__(self, data: Path | None) -> None:
        self.data = data


def chosen_data(context: typer.Context, data: Path | None) -> DataDirectory:
    """Return the data directory: the option of the command, of the root, or the default."""
    root = context.find_root().obj
    return data_directory(data, root.data if isinstance(root, Root) else None)


def database_setting(database: str | None) -> Setting:
    """Return --database as a setting."""
    return Setting(("store", "database"), database, "--database")


def file_setting(path: tuple[str, ...], file: Path | None, option: str) -> Setting:
    """Return a file's option as a setting: by its whole path, as the configuration names files."""
    return Setting(path, None if file is None else str(file.absolute()), option)


@contextmanager
def admin_api(
    context: typer.Context, data: Path | None, database: str | None
) -> Iterator["AdminClient"]:
    """Yield a client of the admin API: of a service elsewhere, when --url names it.

    Else of whoever serves it on this data directory, which may be this process.
    """
    remote = given_remote(context)
    if remote is not None:
        if data is not None or database is not None:
            raise typer.BadParameter("--data and --database are for this machine, --url is not")
        from server.programs.remote_client import connect  # noqa: PLC0415 - takes ssl

        yield connect(remote)
        return
    # Late: reading the configuration and opening a store is what makes a start slow.
    from server.programs.administration import administration  # noqa: PLC0415
    from server.programs.installation import configuration  # noqa: PLC0415

    directory = chosen_data(context, data)
    config = configuration(directory, [database_setting(database)])
    with administration(directory, config) as admin:
        yield admin
