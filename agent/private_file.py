"""Small files that nobody else may read, replaced whole and durably."""

import os
from pathlib import Path


def private_directory(directory: Path) -> Path:
    """Return a directory of the agent's own, made where it is missing. OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def write_private(path: Path, content: bytes) -> None:
    """Write a file: the old one or the new one is there, whatever happens. OSError."""
    fresh = path.with_name(f".{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        hand_over(fresh)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def hand_over(path: Path) -> None:
    """Give a file to whose directory it is in: what root enrols, the agent's own user reads."""
    if os.name == "posix" and os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
