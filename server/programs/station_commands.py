"""`keystead station ...`: at the station that programs YubiKeys. Needs no service and no data."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from server.programs.exits import CommandError
from server.programs.terminal import say, say_json

app = typer.Typer(help="At the station that programs YubiKeys.", no_args_is_help=True)

_LARGEST_RELEASE = 4096
_LARGEST_KEY = 16 << 10


@app.callback()
def station() -> None:
    """At the station that programs YubiKeys."""


@app.command("open")
def open_(
    release: Annotated[
        Path, typer.Argument(metavar="RELEASE", help="The sealed release that was minted.")
    ],
    *,
    key: Annotated[
        Path,
        typer.Option(metavar="PRIVATE.pem", help="The station's X25519 private key, mode 0600."),
    ],
    order: Annotated[str, typer.Option(metavar="ORDER", help="The order at hand.")],
    serial: Annotated[
        int, typer.Option(min=0, help="The serial number of the YubiKey at hand, 0 for none.")
    ],
    name: Annotated[str, typer.Option("--station", metavar="NAME", help="This station's name.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The new file, mode 0600, for the secret.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Open a release for the YubiKey at hand, into a file for the personalisation tool.

    One line: serialnr,publicname,internalname,aeskey,lockcode,created,accessed. It is the secret
    in the clear: program the YubiKey and remove the file.
    """
    # Late: cryptography's HPKE takes a moment that other commands need not wait for.
    from cryptography.hazmat.primitives.asymmetric.x25519 import (  # noqa: PLC0415
        X25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    from hsm import privatefile  # noqa: PLC0415
    from hsm.provisioning.release import ReleaseRefusedError, open_release  # noqa: PLC0415
    from hsm.vault import VaultError  # noqa: PLC0415

    if os.path.lexists(out):
        raise CommandError(f"{out} exists already and is not replaced; nothing was done")
    message = _read(release)
    now = datetime.now(UTC)
    try:
        pem = privatefile.read(
            key,
            _LARGEST_KEY,
            when_absent="Make one: openssl genpkey -algorithm X25519 -out FILE",
            when_open="if others could read it, make a new one and give its public key to the"
            " service's operators",
        )
        private = load_pem_private_key(pem, None)
    except VaultError as error:
        raise CommandError(str(error)) from error
    except Exception:  # noqa: BLE001 - whatever the library makes of it; its words may quote the key
        raise CommandError(f"{key} is not an unencrypted private key in PEM") from None
    if not isinstance(private, X25519PrivateKey):
        raise CommandError(f"{key} is not an X25519 private key")
    try:
        context, secrets = open_release(
            message,
            private,
            order=order,
            serial=serial,
            station=name,
            now_us=int(now.timestamp() * 1_000_000),
        )
    except ReleaseRefusedError as error:
        raise CommandError(str(error)) from error
    shown = str(context.serial) if context.serial else ""
    made = now.strftime("%Y-%m-%dT%H:%M:%S")
    line = (
        f"{shown},{context.public_id},{secrets.private_id.hex()},{secrets.aes_key.hex()},"
        f"000000000000,{made},\n"
    )
    try:
        privatefile.create(out, line.encode(), unless_lost="it may hold another key's secret")
    except VaultError as error:
        raise CommandError(str(error)) from error
    if as_json:
        say_json({"public_id": context.public_id, "serial": context.serial, "file": str(out)})
        return
    say(
        f"The secret of {context.public_id} is in {out}. Program the YubiKey, remove the file, then"
    )
    say(f"have an OTP of it shown to: keystead key activate {context.public_id}")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_RELEASE + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_RELEASE:
        raise CommandError(f"{file} is not the release of an OTP secret: it is too large")
    return content
