"""A node's segments on disk: their names, who writes them now, and how far each goes."""

import enum
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from server.counter_journal.records import (
    MAX_PAYLOAD,
    DamagedError,
    Header,
    Kind,
    Record,
    entries_in,
    is_torn,
    is_torn_header,
    read_records,
)

SUFFIX = ".counters"
_DIGITS = 20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class NodeInUseError(Exception):
    """Another process writes this node's journal."""


class Ending(enum.Enum):
    """How a segment ends.

    ORDERLY: with END; ROTATED: with NEXT; OPEN: after a whole record; TORN: within a record that
    was being written; DAMAGED: where it was altered, so that more may have followed.
    """

    ORDERLY = enum.auto()
    ROTATED = enum.auto()
    OPEN = enum.auto()
    TORN = enum.auto()
    DAMAGED = enum.auto()


class Segment(NamedTuple):
    """What a segment holds, as far as it is whole.

    end: number of the entry that would come next; original: it is the very file that the node
    wrote, no copy of it.
    """

    path: Path
    header: Header
    end: int
    ending: Ending
    original: bool

    @property
    def ended(self) -> bool:
        """Whether the node ended it in order."""
        return self.ending in {Ending.ORDERLY, Ending.ROTATED}

    def is_all_that_was_written(self, boot: str) -> bool:
        """Whether nothing of it can be missing, although its process may have been killed.

        What a process wrote before it was killed is in the kernel's memory, and so in the file for
        everybody, until the machine stops. A copy was perhaps made before that.
        """
        if self.ended:
            return True
        left = self.ending in {Ending.OPEN, Ending.TORN}
        return left and self.original and "" != boot == self.header.boot


class Found(NamedTuple):
    """What lies in a directory. unreadable: files that should be segments and have no header."""

    segments: list[Segment]
    unreadable: list[Path]


def segment_path(directory: Path, node: str, first: int) -> Path:
    """Return where the segment lies that begins with entry `first`."""
    return directory / f"{node}.{first:0{_DIGITS}d}{SUFFIX}"


def node_of(path: Path) -> str:
    """Return whose segment a file is, by its name."""
    return path.name.partition(".")[0]


def first_of(path: Path) -> int:
    """Return the number of a segment's first entry, by its name; 0 for a name that has none."""
    number = path.name.removesuffix(SUFFIX).rpartition(".")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def others_may_write(directory: Path) -> bool:
    """Whether somebody else could bring used OTPs back by removing what is in the directory."""
    status = directory.stat()
    return status.st_uid != os.geteuid() or bool(stat.S_IMODE(status.st_mode) & 0o022)


def lock_path(directory: Path, node: str) -> Path:
    """Return the file that whoever writes the node's journal has locked."""
    return directory / f"{node}.lock"


def boot_id() -> str:
    """Return what tells one start of this machine from the next, "" when nothing does."""
    if sys.platform != "linux":
        return ""
    with suppress(OSError):
        return _BOOT_ID.read_text("ascii").strip()
    return ""


def file_identity(descriptor: int) -> str:
    """Return what tells a file from its copies while the machine runs."""
    status = os.fstat(descriptor)
    return f"{status.st_dev}:{status.st_ino}"


def segments(directory: Path) -> list[Segment]:
    """Return the segments in a directory, by node and number. Raises OSError."""
    return find(directory).segments


def find(directory: Path) -> Found:
    """Read every segment in a directory, by node and number. Raises OSError."""
    found: list[Segment] = []
    unreadable: list[Path] = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        segment = look(path)
        if segment is None:
            unreadable.append(path)
        else:
            found.append(segment)
    found.sort(key=lambda segment: (segment.header.node, segment.header.first))
    return Found(found, unreadable)


def look(path: Path) -> Segment | None:
    """Read one segment from front to end; None when it has no header."""
    with _opened(path) as stream:
        if stream is None:
            return None
        header: Header | None = None
        end, good, ending = 0, 0, Ending.OPEN
        try:
            for number, found in enumerate(read_records(stream)):
                if (number == 0) != (found.kind is Kind.HEADER) or ending is not Ending.OPEN:
                    raise DamagedError("altered")
                if found.kind is Kind.HEADER:
                    header = Header.decode(found.body)
                    end = header.first
                if found.number != end:
                    raise DamagedError("altered")
                if found.kind is Kind.ACCEPTED:
                    end += entries_in(found)
                ending = _ENDINGS.get(found.kind, Ending.OPEN)
                good = stream.tell()
        except ValueError:
            stream.seek(good)
            torn = ending is Ending.OPEN and is_torn(stream.read(MAX_PAYLOAD), end)
            ending = Ending.TORN if torn else Ending.DAMAGED
        if header is None:
            return None
        return Segment(path, header, end, ending, header.file == file_identity(stream.fileno()))


_ENDINGS = {Kind.END: Ending.ORDERLY, Kind.NEXT: Ending.ROTATED}


def was_never_begun(path: Path) -> bool:
    """Whether a file without a header is what a kill within its very first write left."""
    with _opened(path) as stream:
        if stream is None:
            return False
        octets = stream.read(MAX_PAYLOAD)
    return is_torn_header(octets)


def accepted_records(segment: Segment) -> Iterator[Record]:
    """Yield the ACCEPTED records of a segment, as far as it is whole."""
    with _opened(segment.path) as stream:
        if stream is None:
            raise OSError(errno.ENOENT, f"{segment.path.name} has gone")
        for found in read_records(stream):
            if found.kind is not Kind.HEADER and found.number >= segment.end:
                return
            if found.kind is Kind.ACCEPTED:
                yield found
                if found.number + entries_in(found) >= segment.end:
                    return


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """Open a plain file; None for what is none: a link, a pipe, or gone by now."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOENT, errno.ENXIO}:
            raise
        yield None
        return
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        yield None
        return
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def is_written(directory: Path, node: str) -> bool:
    """Whether a process of this machine writes the node's journal now."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(lock_path(directory, node), flags)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def locked(directory: Path, node: str) -> Iterator[None]:
    """Be the one who writes the node's journal; NodeInUseError. The kernel's lock ends with us."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(lock_path(directory, node), flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NodeInUseError(
                f"another process writes the counter journal of node {node} in {directory}. Is"
                " the service running twice, or was a data directory copied with its file `node`?"
            ) from None
        yield
    finally:
        os.close(descriptor)
