"""Files that hold secrets: read only when they are their owner's alone, written in one step."""

import os
import secrets
import stat
from pathlib import Path

MAX_OCTETS = 1 << 28


class SecretFileError(Exception):
    """The file cannot be used; the message says what is wrong and what to do, and no secret."""


def read_secret(path: Path) -> str:
    """Return the text of a file that nobody else may read; SecretFileError."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise SecretFileError(
                    f"{path} holds secrets and others may read it: chmod 600 {path}"
                )
            if status.st_size > MAX_OCTETS:
                raise SecretFileError(f"{path} is larger than such a file can be")
            return file.read(MAX_OCTETS).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretFileError(f"{path} cannot be used: {error}") from error


def write_secret(path: Path, text: str) -> None:
    """Put `text` in place of `path` in one step, readable by the owner alone; OSError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
