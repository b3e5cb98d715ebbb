"""Small files of mode 0600 that survive a crash or a power cut: old or new, and never half.

What is written has another name until it is whole and safe. Everything raises OSError.
"""

import fcntl
import glob
import os
import secrets
import sys
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`; durable when this returns. For one owner at a time."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # left by a crash
    _write_new(fresh, content)
    fresh.replace(path)
    _keep_name(path.parent)


def create(path: Path, content: bytes) -> None:
    """Make a new file; FileExistsError when there is one, or a link. Durable on return."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.new"):
        # By a crash. Who is at it right now finds no file to name, and says so.
        left.unlink(missing_ok=True)
    # A name of its own: nobody else's half file is ever given the name.
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    _write_new(fresh, content)
    try:
        path.hardlink_to(fresh)  # refuses to take an existing file's place, as rename would not
    finally:
        fresh.unlink(missing_ok=True)
    _keep_name(path.parent)


def rename(path: Path, target: Path) -> None:
    """Give a durable file its name; durable on return."""
    path.rename(target)
    _keep_name(target.parent)


def _write_new(path: Path, content: bytes) -> None:
    """Write a new file, whole and safe; what is left of it when that fails is removed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(path, flags, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)  # whatever the umask took away
            stream.write(content)
            stream.flush()
            _sync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _keep_name(folder: Path) -> None:
    """Make a file's name as durable as its content."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(handle)
    finally:
        os.close(handle)


def _sync(handle: int) -> None:
    os.fsync(handle)
    if sys.platform == "darwin":
        # There fsync hands the data to the drive only; this asks the drive to keep it.
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
