"""The archive: a tar stream within age, each member hashed, the list of all at its end.

age (https://age-encryption.org/v1) encrypts in chunks of 64 KiB, each authenticated, the last
one marked: what was cut short or altered does not open. Nothing of it is ever in the clear on a
disk: a pipe joins tar and age, which works in a thread.
"""

import hashlib
import io
import json
import os
import secrets
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyrage  # type: ignore[import-untyped] # the library ships no types

from server.backup.recipients import BackupError

LIST = "members.json"
MAX_MEMBER = 256 << 20
_MOST_AT_ONCE = MAX_MEMBER + (1 << 20)
"""A member with what tar puts around it."""

_MODE = 0o600


class Member(NamedTuple):
    """One file in the archive."""

    name: str
    content: bytes


class ArchiveWriter:
    """Adds members to an archive that is being written."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: list[tuple[str, int, str]] = []

    def add(self, name: str, content: bytes) -> None:
        """Add a file."""
        if len(content) > MAX_MEMBER:
            raise BackupError(f"{name} is too large for a backup")
        self._members.append((name, len(content), hashlib.sha256(content).hexdigest()))
        self._put(name, content)

    def finish(self) -> None:
        """Add the list of all members."""
        self._put(LIST, json.dumps({"members": self._members}).encode())

    def _put(self, name: str, content: bytes) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), _MODE
        self._tar.addfile(entry, io.BytesIO(content))


class _Metered(io.RawIOBase):
    """Reads on from a stream until too much was taken for one member, whatever tar asks for."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.taken = 0

    def read(self, size: int = -1, /) -> bytes:
        octets = self._stream.read(size)
        self.taken += len(octets)
        if self.taken > _MOST_AT_ONCE:
            raise tarfile.ReadError("a member is too large")
        return octets


class _Worker(threading.Thread):
    """age at one end of a pipe. failure: why it ended early."""

    def __init__(self, work: Callable[[], None], ours: IO[bytes]) -> None:
        super().__init__(name="age", daemon=True)
        self._work = work
        self._ours = ours
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - handed to the other end, which raises it
            self.failure = error
        finally:
            with suppress(OSError):
                self._ours.close()


@contextmanager
def writing(path: Path, recipients: Sequence[pyrage.x25519.Recipient]) -> Iterator[ArchiveWriter]:
    """Write an archive to `path`: whole and durable when this returns, else nothing is left.

    Raises BackupError.
    """
    if path.exists():
        raise BackupError(f"{path} exists already and is not overwritten. Name another file")
    # A name of its own: two backups at once to one file would mix.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(partial, flags, _MODE), "wb") as out:
            with _encrypting(out, recipients) as tar:
                writer = ArchiveWriter(tar)
                yield writer
                writer.finish()
            out.flush()
            os.fsync(out.fileno())
        partial.rename(path)
        _sync_directory(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BackupError(
            f"{path} cannot be written: {error.strerror or error}. Nothing was left behind; make"
            " room or name another place, then try again"
        ) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def _encrypting(
    out: IO[bytes], recipients: Sequence[pyrage.x25519.Recipient]
) -> Iterator[tarfile.TarFile]:
    read_end, write_end = (
        os.fdopen(end, mode) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
    )
    age = _Worker(lambda: pyrage.encrypt_io(read_end, out, recipients), read_end)
    age.start()
    try:
        with write_end, tarfile.open(fileobj=write_end, mode="w|") as tar:
            yield tar
    except BrokenPipeError:
        pass  # age ended early: its own failure says why
    finally:
        age.join()
    if age.failure is not None:
        raise OSError(None, str(age.failure)) from age.failure


def read_archive(path: Path, identities: Sequence[pyrage.x25519.Identity]) -> Iterator[Member]:
    """Yield the members of an archive, each checked; BackupError where it is cut or altered.

    Only when the last one was yielded is it sure that nothing is missing.
    """
    seen: list[list[Any]] = []
    listed: object = None
    for member in _decrypted(path, identities):
        if listed is not None:
            raise _altered(path, "something follows its end")
        if member.name == LIST:
            listed = _listed(path, member.content)
        else:
            seen.append(
                [member.name, len(member.content), hashlib.sha256(member.content).hexdigest()]
            )
            yield member
    if listed is None:
        raise _altered(path, "its end is missing")
    if listed != seen:
        raise _altered(path, "its content is not what its list says")


def _listed(path: Path, content: bytes) -> object:
    try:
        return json.loads(content)["members"]
    except (ValueError, KeyError, TypeError) as error:
        raise _altered(path, "its list cannot be read") from error


def _decrypted(path: Path, identities: Sequence[pyrage.x25519.Identity]) -> Iterator[Member]:
    try:
        source = path.open("rb")
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from error
    read_end, write_end = (
        os.fdopen(end, mode) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
    )
    age = _Worker(lambda: pyrage.decrypt_io(source, write_end, identities), write_end)
    age.start()
    broken: Exception | None = None
    try:
        with source:
            try:
                metered = _Metered(read_end)
                with tarfile.open(fileobj=metered, mode="r|") as tar:
                    for entry in tar:
                        content = tar.extractfile(entry) if entry.isreg() else None
                        if content is None or entry.size > MAX_MEMBER or entry.issparse():
                            raise _altered(path, f"it holds something odd, {entry.name!r}")
                        yield Member(entry.name, content.read())
                        metered.taken = 0
                while read_end.read(1 << 16):
                    pass  # the padding of the stream, so that age comes to its own end
            except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
                broken = error
            finally:
                read_end.close()
                age.join()
    finally:
        read_end.close()
    if age.failure is not None:
        raise _not_opened(path, age.failure)
    if broken is not None:
        raise _altered(path, str(broken))


def _not_opened(path: Path, failure: Exception) -> BackupError:
    if isinstance(failure, pyrage.DecryptError) and "No matching keys" in str(failure):
        return BackupError(
            f"{path} was encrypted to another recipient. Name the identity file that belongs to"
            " it with --identity"
        )
    return _altered(path, str(failure))


def _altered(path: Path, what: str) -> BackupError:
    return BackupError(
        f"{path} is cut short, altered or no backup at all ({what}). Nothing was restored. Fetch"
        " the file again from where it is kept, or use another backup"
    )


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
