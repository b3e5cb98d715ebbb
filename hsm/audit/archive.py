"""The archive: one file per device, a record a line, appended durably and never rewritten.

What a crash can leave is a last line without its end: it was never confirmed, so the device has
not been told to forget it, and it is taken away before the next one is written.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from hsm.audit.entry import MalformedLogError
from hsm.audit.lines import MAX_LINE, DamagedLineError
from hsm.audit.record import BEGINNING, Record, Signer
from hsm.audit.standing import Standing, Step
from hsm.vault import VaultError

_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


class ArchiveError(VaultError):
    """The archive cannot be used; the message says what to do. Nothing may be forgotten then."""


class Archive:
    """One device's archive, which this process alone appends to.

    now_us: the host's time, microseconds since the epoch. `head`: the last record, or None.
    """

    def __init__(
        self,
        path: Path,
        file: int,
        head: Record | None,
        end: int,
        *,
        signer: Signer,
        now_us: Callable[[], int],
    ) -> None:
        self._path = path
        self._file = file
        self._end = end
        self._signer = signer
        self._now_us = now_us
        self._broken = False
        self.head = head

    @classmethod
    def open(cls, folder: Path, serial: int, *, signer: Signer, now_us: Callable[[], int]) -> Self:
        """Open or make the archive of a device in an existing folder; ArchiveError."""
        path = path_of(folder, serial)
        try:
            file = os.open(path, _FLAGS | os.O_CREAT, 0o600)
            try:
                head, end = _mended(path, file, serial)
                _sync(folder)
            except BaseException:
                os.close(file)
                raise
        except OSError as error:
            raise ArchiveError(f"{path} cannot be opened: {error.strerror}") from error
        return cls(path, file, head, end, signer=signer, now_us=now_us)

    def append(self, serial: int, before: Standing | None, step: Step) -> Record:
        """Write a record; it is durable when this returns. ArchiveError: it is not there."""
        if self._broken:
            raise ArchiveError(
                f"{self._path} could not be written nor mended: make room or let the service"
                " write there again, then restart it"
            )
        head = self.head
        record = Record(
            sequence=1 if head is None else head.sequence + 1,
            previous=BEGINNING if head is None else head.hash,
            serial=serial,
            time_us=self._now_us(),
            before=before,
            log=step.new,
            findings=step.findings,
            after=step.after,
        ).signed(self._signer)
        line = record.line() + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.pwrite(self._file, line[written:], self._end + written)
            os.fsync(self._file)
        except OSError as error:
            self._take_back()
            raise ArchiveError(f"{self._path} cannot be written: {error.strerror}") from error
        self._end += len(line)
        self.head = record
        return record

    def since(self, sequence: int) -> list[Record]:
        """Return all records after a number, in order; ArchiveError."""
        with self._path.open("rb") as stream:
            return [
                one for one in map(_record, _lines(self._path, stream)) if one.sequence > sequence
            ]

    def close(self) -> None:
        """Let go of the file."""
        self._broken = True
        os.close(self._file)

    def _take_back(self) -> None:
        """Remove what was written and not confirmed: nobody can tell whether it will stay."""
        try:
            os.ftruncate(self._file, self._end)
            os.fsync(self._file)
        except OSError:
            self._broken = True


def path_of(folder: Path, serial: int) -> Path:
    """Return where a device's archive is."""
    return folder / f"{serial}.jsonl"


def _mended(path: Path, file: int, serial: int) -> tuple[Record | None, int]:
    """Take away a last line that was cut off; return the last record and where the next begins."""
    size = os.fstat(file).st_size
    tail = os.pread(file, 2 * MAX_LINE, max(0, size - 2 * MAX_LINE))
    whole = tail[: tail.rfind(b"\n") + 1]
    if not whole and len(tail) < size:
        raise ArchiveError(f"{path} holds no line of an archive: {_ADVICE}")
    end = size - len(tail) + len(whole)
    if end != size:
        os.ftruncate(file, end)
        os.fsync(file)
    if not whole:
        return None, 0
    head = _record((path, whole[:-1].rpartition(b"\n")[2]))
    if head.serial != serial:
        raise ArchiveError(f"{path} is the archive of device {head.serial}: {_ADVICE}")
    return head, end


_ADVICE = (
    "move it away and keep it, and look into what happened (`keystead hsm audit verify`); the next"
    " start begins another one"
)


def _lines(path: Path, stream: Iterator[bytes]) -> Iterator[tuple[Path, bytes]]:
    return ((path, line.rstrip(b"\n")) for line in stream)


def _record(named: tuple[Path, bytes]) -> Record:
    path, line = named
    try:
        return Record.parse(line)
    except (DamagedLineError, MalformedLogError) as error:
        raise ArchiveError(f"{path} was damaged: {error}; {_ADVICE}") from None


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
