"""`keystead key mint|minted|release|activate|void`: keys that are made here."""

import base64
import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from hsm import durable_file
from server.programs import key_commands
from server.programs.exits import CommandError
from server.programs.key_commands import PublicId
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.terminal import fields, say, say_json

if TYPE_CHECKING:
    from server.programs.admin_client import AdminClient

app = key_commands.app
"""The group that these commands join."""

_LONGEST = 4096
_MAX_EXPIRES = 30 * 24 * 60

OrderName = Annotated[str, typer.Option("--order", metavar="ORDER", help="The order's name.")]
Station = Annotated[str, typer.Option("--station", metavar="NAME", help="The station's name.")]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FILE", help="The new file, mode 0600, that the sealed release goes to."
    ),
]


@app.command("mint")
def mint(
    context: typer.Context,
    *,
    order: OrderName,
    serial: Annotated[
        int, typer.Option(min=0, help="The YubiKey's serial number, 0 if it has none to show.")
    ],
    station: Station,
    station_key: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The station's public key: X25519, PEM."),
    ],
    out: Out,
    public_id: Annotated[
        str, typer.Option(metavar="MODHEX", help="What its OTPs begin with (default: drawn).")
    ] = "",
    expires_minutes: Annotated[
        int,
        typer.Option(min=1, max=_MAX_EXPIRES, help="Within which it has to be active, or is void."),
    ] = 24 * 60,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a key and write its release, sealed to the station, to a file: the only copy.

    No OTP of the key is accepted until `keystead key activate` was shown one.
    """
    wanted = {
        "order": order,
        "serial": serial,
        "station": station,
        "station_key": _read_key(station_key),
        "public_id": public_id or None,
        "expires_minutes": expires_minutes,
        "reason": reason,
    }
    _require_place(out)
    with admin_api(context, data, database) as admin:
        made = admin.post("/keys/mint", wanted)
        _fetch(admin, made["public_id"], out, order=order, station=station)
    if as_json:
        say_json({**made, "release": "taken", "file": str(out)})
        return
    say(f"Minted {made['public_id']} for {made['order']}; the sealed release is in {out}.")
    say(f"Open it at the station and program the YubiKey until {made['expires']}, then:")
    say(f"keystead key activate {made['public_id']}")


@app.command("minted")
def minted(
    context: typer.Context,
    public_id: PublicId,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show what became of a key that was minted here."""
    with admin_api(context, data, database) as admin:
        _show(admin.get(_path(public_id, "minting")), as_json=as_json)


@app.command("release")
def release(
    context: typer.Context,
    public_id: PublicId,
    *,
    order: OrderName,
    station: Station,
    out: Out,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Fetch a release that `keystead key mint` was cut off before it had; once, ever."""
    _require_place(out)
    with admin_api(context, data, database) as admin:
        _fetch(admin, public_id, out, order=order, station=station, reason=reason)
    if as_json:
        say_json({"public_id": public_id, "file": str(out)})
    else:
        say(f"The sealed release of {public_id} is in {out}. There is no other copy.")


@app.command("activate")
def activate(
    context: typer.Context,
    public_id: PublicId,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Accept a minted key's OTPs from now on, shown one: on standard input, or asked for.

    That OTP is spent.
    """
    otp = _read_otp()
    with admin_api(context, data, database) as admin:
        done = admin.post(_path(public_id, "activate"), {"otp": otp, "reason": reason})
    _show(done, as_json=as_json)


@app.command("void")
def void(
    context: typer.Context,
    public_id: PublicId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept for good.")],
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Give up a minted key that was never active: its secret is destroyed."""
    with admin_api(context, data, database) as admin:
        _show(admin.post(_path(public_id, "void"), {"reason": reason}), as_json=as_json)


def _path(public_id: str, what: str) -> str:
    return f"/keys/{quote(public_id, safe='') or '-'}/{what}"


def _read_key(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LONGEST + 1)
        text = content.decode("ascii")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not a public key in PEM") from None
    if "PRIVATE KEY" in text:
        raise CommandError(
            f"{file} is a private key: it stays at the station. Give its public key"
            " (openssl pkey -in PRIVATE.pem -pubout)"
        )
    if not 0 < len(content) <= _LONGEST:
        raise CommandError(f"{file} is not a public key in PEM")
    return text


def _require_place(out: Path) -> None:
    """See before anything is made that the file can be: a release that finds no place is lost."""
    if os.path.lexists(out):
        raise CommandError(f"{out} exists already and is not replaced; nothing was done")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise CommandError(f"{out.parent} is no folder that can be written to; nothing was done")


def _fetch(admin: "AdminClient", public_id: str, out: Path, **wanted: str) -> None:
    taken = admin.post(_path(public_id, "release"), wanted)
    try:
        durable_file.create(out, base64.b64decode(taken["release"], validate=True))
    except OSError as error:
        raise CommandError(
            f"{out} cannot be written ({error.strerror}), and the release is not handed out again:"
            f" the key is of no use. Void it: keystead key void {public_id} --reason ..."
        ) from error


def _read_otp() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Touch the YubiKey (what it types is not shown): ").strip()
    return sys.stdin.readline(_LONGEST).strip()


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(found)
    else:
        fields(found)
