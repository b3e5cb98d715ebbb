"""Small files that nobody else may read, replaced whole and durably."""

import os
import stat
from pathlib import Path

_NOT_A_LINK: int = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
_NOT_FOR_CHILDREN: int = getattr(os, "O_CLOEXEC", 0)


def private_directory(directory: Path) -> Path:
    """Return a directory of the agent's own, made where it is missing. OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def open_private(path: Path, flags: int) -> int:
    """Open a file of the agent's own, made where it is missing; never what a link leads to.

    What root makes is its directory's owner's: what root enrols, the agent's own user reads.
    OSError.
    """
    handle = os.open(path, flags | os.O_CREAT | _NOT_A_LINK | _NOT_FOR_CHILDREN, 0o600)
    try:
        _take(handle, path)
    except OSError:
        os.close(handle)
        raise
    return handle


def own_private(path: Path) -> None:
    """Make a file where it is missing, and have it be the agent's own, as `open_private` does.

    One that is there is not opened: to close it again would take away the locks that this process
    has on it (POSIX), and another one would take a database for its own that is in use. OSError.
    """
    try:
        os.close(open_private(path, os.O_RDWR | os.O_EXCL))
    except FileExistsError:
        _check(path.lstat(), path)
        if os.name == "posix" and os.geteuid() == 0:
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _take(handle: int, path: Path) -> None:
    _check(os.fstat(handle), path)
    if os.name == "posix" and os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def _check(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise OSError(f"{path} is no file of the agent's own: remove it")


def write_private(path: Path, content: bytes) -> None:
    """Write a file: the old one or the new one is there, whatever happens. OSError."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = open_private(fresh, os.O_WRONLY | os.O_EXCL)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
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
