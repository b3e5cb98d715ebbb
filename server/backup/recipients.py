"""Who can read a backup: age recipients, public, and the identity files that belong to them."""

import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyrage  # type: ignore[import-untyped] # the library ships no types

_MAX_OCTETS = 64 * 1024


class BackupError(Exception):
    """A backup cannot be made or used; the message says why and what to do."""


def recipients(texts: Sequence[str]) -> list[pyrage.x25519.Recipient]:
    """Read recipients (`age1...`); BackupError names the one that is none."""
    found = []
    for text in texts:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text.strip()))
        except pyrage.RecipientError as error:
            raise BackupError(
                f"{text} is not an age recipient ({error}). `keystead backup key FILE` prints one"
            ) from None
    return found


def default_identity_file() -> Path:
    """Return where an identity lies unless somebody says otherwise: never in a data directory."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "keystead" / "backup.identity"


def create_identity(path: Path) -> str:
    """Make an identity file, mode 0600, overwriting nothing; return its recipient."""
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    made = datetime.now(UTC).isoformat(timespec="seconds")
    text = f"# created: {made}\n# public key: {recipient}\n{identity}\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        raise BackupError(
            f"{path} exists already and is not replaced: backups may need it to be opened"
        ) from None
    except OSError as error:
        raise BackupError(f"{path} cannot be made: {error.strerror}") from error
    return recipient


def load_identities(path: Path) -> list[pyrage.x25519.Identity]:
    """Read an identity file that nobody else can read; BackupError says what is wrong."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BackupError(
            f"the identity {path} cannot be read: {error.strerror}. Name the file that belongs to"
            " the backup's recipient with --identity"
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
            raise BackupError(f"{path} is open to other users. Run: chmod 600 {path}")
        text = os.read(descriptor, _MAX_OCTETS).decode("ascii", "replace")
    finally:
        os.close(descriptor)
    lines = (line.strip() for line in text.splitlines())
    secrets = [line for line in lines if line and not line.startswith("#")]
    try:
        found = [pyrage.x25519.Identity.from_str(secret) for secret in secrets]
    except pyrage.IdentityError:
        found = []  # the error would quote the secret
    if not found:
        raise BackupError(f"{path} holds no age identity (a line AGE-SECRET-KEY-1...)")
    return found


def recipient_of(path: Path) -> str:
    """Return the recipient that belongs to an identity file."""
    return str(load_identities(path)[0].to_public())
