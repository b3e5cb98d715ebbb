"""The key file: the sealing key that the file vault keeps everything under.

Three lines of text, so that a person can see what the file is and print a copy of it:

    keystead-sealing-key-v1
    <key id: 8 hexadecimal digits>
    <key: 64 hexadecimal digits>

The key id is a hash of the key: it names the key in every record, and tells a damaged file
from a whole one. Whoever can read this file and the database has every secret in it; whoever
loses this file has lost them all.
"""

import fcntl
import hashlib
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from hsm.vault import VaultError

KEY_OCTETS = 32
KEY_ID_OCTETS = 4

_MAGIC = "keystead-sealing-key-v1"
_FORMAT = re.compile(rf"{_MAGIC}\n([0-9a-f]{{8}})\n([0-9a-f]{{64}})\n")
_FILE_OCTETS = len(_MAGIC) + 1 + 2 * KEY_ID_OCTETS + 1 + 2 * KEY_OCTETS + 1


class KeyFileError(VaultError):
    """The key file cannot be used. The message says why and what to do."""


class SealingKey(NamedTuple):
    """The key that seals records. key: 32 octets; key_id: 4 octets, derived from it."""

    key_id: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show the id, which every record holds, never the key."""
        return f"SealingKey({self.key_id.hex()}, <hidden>)"

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Name a key of 32 octets (ValueError otherwise)."""
        if len(key) != KEY_OCTETS:
            raise ValueError(f"a sealing key has {KEY_OCTETS} octets")
        return cls(hashlib.sha256(b"keystead sealing key id\0" + key).digest()[:KEY_ID_OCTETS], key)

    def format(self) -> str:
        """Return the text of the key file."""
        return f"{_MAGIC}\n{self.key_id.hex()}\n{self.key.hex()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a key file; ValueError when it is none or damaged."""
        if not text.startswith(_MAGIC):
            raise ValueError(f"its first line is not {_MAGIC!r}")
        match = _FORMAT.fullmatch(text)
        if match is None:
            raise ValueError("it is cut off or altered")
        sealing_key = cls.of(bytes.fromhex(match[2]))
        if sealing_key.key_id.hex() != match[1]:
            raise ValueError("the key does not match its id: it is damaged")
        return sealing_key


def create(path: Path, *, randomness: Callable[[int], bytes] = os.urandom) -> SealingKey:
    """Make a new key file, mode 0600, durable on return. Never replaces anything.

    The folder must exist. Raises KeyFileError.
    """
    sealing_key = SealingKey.of(randomness(KEY_OCTETS))
    try:
        # O_EXCL: a key that may have sealed records is never overwritten. It refuses symbolic
        # links by itself, O_NOFOLLOW says so where a system's O_EXCL does not.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CAREFULLY, 0o600)
    except FileExistsError:
        raise KeyFileError(
            f"{path} exists already and is not replaced: the records sealed under it would be "
            "lost. Use it, or move it away if it sealed nothing."
        ) from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be made: {error.strerror}") from error
    try:
        _write(file, sealing_key.format().encode("ascii"))
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key is none, and it would block the next attempt
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error
    return sealing_key


def load(path: Path) -> SealingKey:
    """Read a key file that nobody else can read or replace.

    Raises KeyFileError when it is absent, a symbolic link, not a plain file, owned by another
    user, open to group or others, or not a whole key file.
    """
    try:
        # O_NONBLOCK: opening a pipe in the file's place must not wait for its other end.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _CAREFULLY)
    except FileNotFoundError:
        raise KeyFileError(
            f"{path} is absent. Restore it from its backup: without it no stored key opens. "
            "On a new installation `keystead init` makes it."
        ) from None
    except OSError as error:
        if path.is_symlink():
            raise KeyFileError(f"{path} is a symbolic link: put the file itself there") from error
        raise KeyFileError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        # What was opened is what is judged: the name may mean another file by now.
        _check(path, os.fstat(file))
        content = os.read(file, _FILE_OCTETS + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(file)
    try:
        return SealingKey.parse(content.decode("ascii", "replace"))
    except ValueError as error:
        raise KeyFileError(
            f"{path} is not a usable key file: {error}. Restore it from its backup."
        ) from None


_CAREFULLY = os.O_NOFOLLOW | os.O_CLOEXEC


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is not a plain file")
    if status.st_uid != os.geteuid():
        raise KeyFileError(
            f"{path} belongs to user {status.st_uid}, the service runs as {os.geteuid()}: "
            "give the file to the service's user"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(
            f"{path} is open to others (mode {mode:04o}): `chmod 600` it, and if strangers "
            "could read it, treat the keys in the database as known to them"
        )


def _write(file: int, content: bytes) -> None:
    """Write and sync one new file, then close it."""
    with os.fdopen(file, "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)  # whatever the umask took away
        stream.write(content)
        stream.flush()
        _sync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the file's name as durable as its content."""
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
