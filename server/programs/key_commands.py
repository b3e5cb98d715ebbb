"""`keystead key ...`: the YubiKeys whose OTPs are validated."""

import enum
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from server.programs.admin_client import because
from server.programs.exits import CommandError
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(help="YubiKeys whose OTPs are validated.", no_args_is_help=True)

PublicId = Annotated[
    str,
    typer.Argument(
        metavar="PUBLIC_ID",
        help='The letters every OTP of the key begins with ("-" for a key without any).',
    ),
]

MAX_FILE_OCTETS = 256 << 20


class Format(enum.StrEnum):
    """Formats of key files."""

    KSM = "ksm"


def _path(public_id: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - most commands do without

    return f"/keys/{quote(public_id, safe='') or '-'}"


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='The file, or "-" for standard input.')
    ],
    *,
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="ksm: lines serialnr,publicname,internalname,aeskey,lockcode,created,accessed.",
        ),
    ] = Format.KSM,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Import keys: all of a file, or none and the line at fault.

    The file holds secrets in the clear: remove it afterwards. Inside Keystead they are sealed.
    """
    text = _read(file)
    with admin_api(context, data, database) as admin:
        done = admin.upload(because(f"/keys/import?format={format_.value}", reason), text)
    if as_json:
        say_json(done)
    else:
        say(f"{done['imported']} keys imported.")


def _read(file: str) -> bytes:
    try:
        if file == "-":
            text = sys.stdin.buffer.read(MAX_FILE_OCTETS + 1)
        else:
            with Path(file).open("rb") as stream:
                text = stream.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    if len(text) > MAX_FILE_OCTETS:
        raise CommandError(f"{file} is larger than 256 MiB: split it")
    return text


@app.command("list")
def list_(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List all keys."""
    with admin_api(context, data, database) as admin:
        keys = admin.pages("keys")
    if as_json:
        say_json({"keys": keys})
    else:
        table(keys, ["public_id", "serial", "active", "session", "use", "accepted", "created"])


@app.command("show")
def show(
    context: typer.Context,
    public_id: PublicId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show a key and its counters, never its secrets."""
    with admin_api(context, data, database) as admin:
        _show(admin.get(_path(public_id)), as_json=as_json)


@app.command("disable")
def disable(
    context: typer.Context,
    public_id: PublicId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Refuse a key from now on; its next OTP is answered BAD_OTP."""
    with admin_api(context, data, database) as admin:
        _show(admin.post(because(f"{_path(public_id)}/disable", reason)), as_json=as_json)


@app.command("enable")
def enable(
    context: typer.Context,
    public_id: PublicId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Accept a key's OTPs again."""
    with admin_api(context, data, database) as admin:
        _show(admin.post(because(f"{_path(public_id)}/enable", reason)), as_json=as_json)


def _show(key: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(key)
    else:
        fields(key)
