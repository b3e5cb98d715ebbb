"""Small private files that must survive a power cut, old or new but never half."""

import os
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`, mode 0600; durable when this returns."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    _write_new(fresh, content)
    fresh.replace(path)
    _keep_name(path.parent)


def create(path: Path, content: bytes) -> None:
    """Make a new file, mode 0600; FileExistsError when there is one. Durable on return."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    _write_new(fresh, content)
    try:
        path.hardlink_to(fresh)  # refuses to take an existing file's place, as rename would not
    finally:
        fresh.unlink()
    _keep_name(path.parent)


def rename(path: Path, target: Path) -> None:
    """Give a durable file its name; durable on return."""
    path.rename(target)
    _keep_name(target.parent)


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _keep_name(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
