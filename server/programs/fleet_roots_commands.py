"""`keystead fleet roots ...`: what attestations of keys have to end in."""

from pathlib import Path
from typing import Annotated

import typer

from server.programs.admin_client import because
from server.programs.exits import CommandError
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteTyper
from server.programs.terminal import say, say_json, table

roots_app = RemoteTyper(help="Roots that attestations of keys end in.", no_args_is_help=True)

_MAX_OCTETS = 60_000


@roots_app.command("show")
def show(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """Show the edition that counts."""
    with admin_api(context, data, database) as admin:
        found = admin.get("/fleet/roots")
    if as_json:
        say_json(found)
        return
    say(f"Edition {found['edition']}, of {found['issued']}")
    kinds = (("root", "roots"), ("between", "intermediates"))
    rows = [one | {"kind": kind} for kind, name in kinds for one in found[name]]
    table(rows, ["kind", "name", "ends", "sha256"])


@roots_app.command("load")
def load(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A signed edition.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Load a newer edition, signed by a key in fleet.attestation_keys."""
    with admin_api(context, data, database) as admin:
        loaded = admin.post(because("/fleet/roots", reason), {"file": _text(file)})
    if as_json:
        say_json(loaded)
    else:
        say(f"Edition {loaded['edition']} of {loaded['issued']} counts from now on.")


@roots_app.command("sign")
def sign(
    document: Annotated[Path, typer.Argument(metavar="DOCUMENT", help="The edition, as JSON.")],
    *,
    key: Annotated[
        Path, typer.Option(metavar="FILE", help="An Ed25519 key in PEM form; made if it is absent.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new file.")],
) -> None:
    """Sign an edition, for those who trust your key. Prints the key for fleet.attestation_keys."""
    # Late: most commands do without.
    from hsm import journalkey  # noqa: PLC0415
    from hsm.privatefile import PrivateFileError  # noqa: PLC0415
    from server.fleet.attestation_bundle import PREFIX, read_document  # noqa: PLC0415
    from server.fleet.signed_file import sign_with  # noqa: PLC0415
    from server.journal.canonical import MalformedError, parse_object  # noqa: PLC0415

    try:
        signer = journalkey.load(key) if key.exists() else journalkey.create(key)
        told = parse_object(_text(document).encode())
        read_document(told)
        with out.open("xb") as stream:
            stream.write(sign_with(told, signer.public_key, signer.sign, PREFIX))
    except (PrivateFileError, MalformedError, OSError) as error:
        raise CommandError(str(error)) from None
    say(f'fleet.attestation_keys = ["{signer.public_key.hex()}"]')


def _text(file: Path) -> str:
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    if len(octets) > _MAX_OCTETS:
        raise CommandError(f"{file} is longer than any edition ({_MAX_OCTETS:,} octets)")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise CommandError(f"{file} is no text") from None
