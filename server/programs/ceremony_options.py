"""What every ceremony is told: the manifest, the device, the files of the secrets, the password."""

import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hsm import credentials
from hsm.ceremony.reach import DEADLINE_S, CeremonyError, Reached, reach
from hsm.credentials import Holder, HsmSecret
from hsm.device.address import device_at
from hsm.device.line import Device
from hsm.genuine import Anchors
from hsm.logins import FACTORY_PASSWORD
from hsm.manifest import Manifest, load, validation
from server.programs.exits import CommandError, Exit

_PASSWORD_OCTETS = 1024

ManifestFile = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="What the device shall be (default: the packaged manifest for validation).",
        show_default=False,
    ),
]
Connector = Annotated[
    str,
    typer.Option(
        "--connector",
        metavar="URL",
        help="The device: http://HOST:PORT of its connector, http+unix:///PATH, usb:[SERIAL].",
    ),
]
DEFAULT_CONNECTOR = "http://127.0.0.1:12345"
SecretFile = Annotated[
    Path,
    typer.Option(
        "--secret-file",
        metavar="FILE",
        help="The host's secret, with which the service logs in. `perform` makes a missing one.",
    ),
]
DEFAULT_SECRET_FILE = Path("hsm.key")
CeremonyFile = Annotated[
    Path | None,
    typer.Option(
        "--ceremony-file",
        metavar="FILE",
        help="The ceremony's secret (default: ceremony.key beside the host's). It belongs into a"
        " safe, not on the host.",
        show_default=False,
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="The password of authentication key 1, if somebody changed the factory's.",
        show_default=False,
    ),
]
OperatorKey = Annotated[
    Path | None,
    typer.Option(
        "--operator-key",
        metavar="FILE",
        help="The operator's Ed25519 key, which signs (default: operator.key beside"
        " the host's secret; a missing one is made).",
        show_default=False,
    ),
]
Clone = Annotated[
    bool,
    typer.Option(
        "--clone", help="Leave the keys that it shares with a first device for `restore`."
    ),
]
SubCa = Annotated[
    list[Path] | None,
    typer.Option(
        "--sub-ca",
        metavar="FILE",
        help="A sub-CA of Yubico's (PEM) that is newer than this program.",
        show_default=False,
    ),
]


def chosen_anchors(files: Sequence[Path]) -> Anchors:
    """Return Yubico's roots and sub-CAs, and those of some files; VaultError."""
    believed = Anchors.yubico()
    for file in files:
        believed = believed.with_file(file)
    return believed


def chosen_manifest(file: Path | None) -> Manifest:
    """Return the manifest that was asked for; ManifestError."""
    return validation() if file is None else load(file)


def chosen_device(url: str) -> Device:
    """Return the device at a URL; CommandError for what is none."""
    try:
        return device_at(url, DEADLINE_S)
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from None


def beside(secret_file: Path, given: Path | None, name: str) -> Path:
    """Return a file that was named, or the one beside the host's secret."""
    return secret_file.parent / name if given is None else given


def secret_in(file: Path, holder: Holder) -> HsmSecret | None:
    """Return the secret in a file, None when there is no such file; PrivateFileError."""
    if not file.exists() and not file.is_symlink():
        return None
    return credentials.load(file, holder)


class Password:
    """The password of authentication key 1: from a file, the factory's, or asked for."""

    def __init__(self, file: Path | None) -> None:
        self._given = file is not None
        self._password = FACTORY_PASSWORD if file is None else _read(file)

    def __repr__(self) -> str:
        return "Password(<hidden>)"

    def reveal(self) -> str:
        """Return it, for whoever logs in."""
        return self._password

    def reach(self, device: Device, manifest: Manifest, ceremony: HsmSecret | None) -> Reached:
        """Get at the device; asks a person for the password when the factory's does not fit."""
        try:
            return reach(device, manifest, ceremony, self._password)
        except CeremonyError:
            if self._given or not sys.stdin.isatty():
                raise
        self._password = getpass.getpass("Password of authentication key 1: ")
        return reach(device, manifest, ceremony, self._password)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            octets = stream.read(_PASSWORD_OCTETS + 1)
        password = octets.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CommandError(f"{file} holds no text: it has to hold a password") from None
    if not password or len(octets) > _PASSWORD_OCTETS or "\n" in password:
        raise CommandError(f"{file} has to hold a password, on one line")
    return password
