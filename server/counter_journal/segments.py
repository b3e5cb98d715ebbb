"""A node's segments on disk: their names, who writes them now, and how far each goes."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from server.counter_journal.records import (
    DamagedError,
    Header,
    Kind,
    Record,
    entries_in,
    read_records,
)

SUFFIX = ".counters"
_DIGITS = 20
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class NodeInUseError(Exception):
    """Another process writes this node's journal."""


class Segment(NamedTuple):
    """What a segment holds, as far as it is whole.

    end: number of the entry that would come next; ended: it was ended in order; whole: nothing
    of it is cut off or altered.
    """

    path: Path
    header: Header
    end: int
    ended: bool
    whole: bool


def segment_path(directory: Path, node: str, first: int) -> Path:
    """Return where the segment lies that begins with entry `first`."""
    return directory / f"{node}.{first:0{_DIGITS}d}{SUFFIX}"


def lock_path(directory: Path, node: str) -> Path:
    """Return the file that whoever writes the node's journal has locked."""
    return directory / f"{node}.lock"


def boot_id() -> str:
    """Return what tells one start of this machine from the next, "" when nothing does.

    What a process wrote before it was killed is in the kernel's memory, and so in the file for
    everybody, until the machine stops. So within one boot a journal without an end is complete.
    """
    if sys.platform != "linux":
        return ""
    with suppress(OSError):
        return _BOOT_ID.read_text("ascii").strip()
    return ""


def segments(directory: Path) -> list[Segment]:
    """Read every segment in a directory, by node and number. Raises OSError.

    A file whose very header cannot be read is left out: the gap it leaves shows.
    """
    found = (look(path) for path in sorted(directory.glob(f"*{SUFFIX}")))
    return sorted(
        (segment for segment in found if segment is not None),
        key=lambda segment: (segment.header.node, segment.header.first),
    )


def look(path: Path) -> Segment | None:
    """Read one segment from front to end; None when it has no header."""
    header: Header | None = None
    end, ended = 0, False
    try:
        for number, found in enumerate(_records(path)):
            if (number == 0) != (found.kind is Kind.HEADER) or ended:
                raise DamagedError("altered")
            if found.kind is Kind.HEADER:
                header = Header.decode(found.body)
                end = header.first
            if found.number != end:
                raise DamagedError("altered")
            if found.kind is Kind.ACCEPTED:
                end += entries_in(found)
            ended = found.kind is Kind.END
    except ValueError:
        return None if header is None else Segment(path, header, end, ended=False, whole=False)
    return None if header is None else Segment(path, header, end, ended=ended, whole=True)


def accepted_records(segment: Segment) -> Iterator[Record]:
    """Yield the ACCEPTED records of a segment, as far as it is whole."""
    for found in _records(segment.path):
        if found.kind is Kind.END or (found.kind is Kind.ACCEPTED and found.number >= segment.end):
            return
        if found.kind is Kind.ACCEPTED:
            yield found
            if found.number + entries_in(found) >= segment.end:
                return


def _records(path: Path) -> Iterator[Record]:
    with path.open("rb") as stream:
        yield from read_records(stream)


def is_written(directory: Path, node: str) -> bool:
    """Whether a process of this machine writes the node's journal now."""
    try:
        descriptor = os.open(lock_path(directory, node), os.O_RDWR | os.O_CLOEXEC)
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
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
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
