"""Writes one segment: whole records, or none of a record that found no room."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from server.counter_journal.records import Header, Kind, accepted_record, record
from server.counter_journal.segments import file_identity, segment_path

_FIELDS = 4
_ROOM_OCTETS = 64 * 1024
"""More than the largest batch takes."""


class SegmentWriter:
    """One open segment. Not for two threads at a time; every method may raise OSError."""

    def __init__(self, path: Path, descriptor: int, header: Header) -> None:
        self.path = path
        self.octets = 0
        self.first = self.next = header.first
        self._descriptor = descriptor
        self._broken = False

    @classmethod
    def begin(cls, directory: Path, header: Header) -> Self:
        """Make a new segment, durable with its name; FileExistsError when there is one."""
        path = segment_path(directory, header.node, header.first)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        made = cls(path, os.open(path, flags, 0o600), header)
        try:
            file = file_identity(made._descriptor)
            made._write(header._replace(file=file).encode())
            made.sync()
            _sync_directory(directory)
        except BaseException:
            os.close(made._descriptor)
            path.unlink(missing_ok=True)
            raise
        return made

    def append(self, time_us: int, fields: Sequence[bytes | int]) -> None:
        """Write one batch: public id, session, use and clock of each entry in turn."""
        self._write(accepted_record(self.next, time_us, fields))
        self.next += len(fields) // _FIELDS

    def prove_room(self) -> None:
        """Raise OSError unless there is room for another batch."""
        self._write(bytes(_ROOM_OCTETS))
        self.octets -= _ROOM_OCTETS
        self._cut_back()

    def sync(self) -> None:
        """Make what was written survive the machine."""
        os.fsync(self._descriptor)

    def finish(self, mark: Kind) -> None:
        """Write the mark of an orderly end (END or NEXT), and close."""
        try:
            self._write(record(mark, self.next))
            self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without the mark."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _write(self, octets: bytes) -> None:
        if self._broken:
            raise OSError(errno.EIO, "the segment is broken")
        try:
            written = os.write(self._descriptor, octets)
        except OSError:
            self._cut_back()
            raise
        if written < len(octets):
            self._cut_back()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.octets += written

    def _cut_back(self) -> None:
        """Remove half a record: what comes next would be lost behind it."""
        try:
            os.ftruncate(self._descriptor, self.octets)
            os.lseek(self._descriptor, self.octets, os.SEEK_SET)
        except OSError:
            self._broken = True
            raise


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
