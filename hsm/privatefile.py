"""Small files for their owner alone: made once, durably, and refused when anything is odd.

What they hold are keys; so they are never overwritten, and never read through a link or from a
file that somebody else may have put there or looked into.
"""

import os
import stat
from pathlib import Path

from hsm import durable_file
from hsm.vault import VaultError


class PrivateFileError(VaultError):
    """The file cannot be used. The message says why and what to do."""


def create(path: Path, content: bytes, *, unless_lost: str) -> None:
    """Make a new file, mode 0600, durable on return. Never replaces anything.

    unless_lost: what replacing an existing one would mean, for its owner. The folder must
    exist. Raises PrivateFileError.
    """
    try:
        durable_file.create(path, content)
    except FileExistsError:
        raise PrivateFileError(
            f"{path} exists already and is not replaced: {unless_lost}"
        ) from None
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be made: {error.strerror}") from error


def replace(path: Path, content: bytes) -> None:
    """Write a file anew, mode 0600, durable on return: whatever happens, it is all old or all new.

    For what is no key by itself but changes, and is sealed. Raises PrivateFileError.
    """
    try:
        durable_file.replace(path, content)
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be written: {error.strerror}") from error


def read(path: Path, limit: int, *, when_absent: str, when_open: str) -> bytes:
    """Return the content, one octet more than `limit` at most, of a file of our user's alone.

    Raises PrivateFileError when it is absent, a symbolic link, not a plain file, owned by
    another user, or open to group or others; when_absent, when_open: what to do then.
    """
    try:
        # O_NONBLOCK: opening a pipe in the file's place must not wait for its other end.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _CAREFULLY)
    except FileNotFoundError:
        raise PrivateFileError(f"{path} is absent. {when_absent}") from None
    except OSError as error:
        if path.is_symlink():
            raise PrivateFileError(
                f"{path} is a symbolic link: put the file itself there"
            ) from error
        raise PrivateFileError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        # What was opened is what is judged: the name may mean another file by now.
        _check(path, os.fstat(file), when_open)
        return os.read(file, limit + 1)
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(file)


_CAREFULLY = os.O_NOFOLLOW | os.O_CLOEXEC


def _check(path: Path, status: os.stat_result, when_open: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PrivateFileError(f"{path} is not a plain file")
    if status.st_uid != os.geteuid():
        raise PrivateFileError(
            f"{path} belongs to user {status.st_uid}, the service runs as {os.geteuid()}: "
            "give the file to the service's user"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PrivateFileError(
            f"{path} is open to others (mode {mode:04o}): `chmod 600` it, and {when_open}"
        )
