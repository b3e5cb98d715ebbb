"""The ledger's files: each process appends to one of its own, afterwards they are read as one.

A line is written with one system call when its answer is there, so a process that is killed
leaves whole lines, at worst a torn last one; one that ends by itself leaves a last line that says
so, because a ledger that something may be missing from proves less. Times come from the machine's
monotonic clock, which all its processes share, so that their lines can be put in order.
"""

import heapq
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from loadtest.records import Record, RecordError

HEADER = "keystead-ledger 1\n"
CLOSED = "closed "
_SUFFIX = ".ledger"


class LedgerError(Exception):
    """The ledger cannot be read as a whole; nothing is proven by it."""


class Clock(NamedTuple):
    """Microseconds since the epoch that never go back. offset_us: the same for one run."""

    offset_us: int

    @classmethod
    def now_is(cls) -> Self:
        """Return the clock of a run that starts now."""
        return cls((time.time_ns() - time.monotonic_ns()) // 1000)

    def now_us(self) -> int:
        """Return the time."""
        return time.monotonic_ns() // 1000 + self.offset_us


class LedgerWriter:
    """Appends to one process's file; FileExistsError when somebody else has it."""

    def __init__(self, folder: Path, name: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._file = os.open(folder / f"{name}{_SUFFIX}", flags, 0o600)
        os.write(self._file, HEADER.encode())
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, record: Record) -> None:
        """Write one record; OSError when the disk does not take all of it."""
        line = record.line().encode()
        if os.write(self._file, line) != len(line):
            raise OSError("the ledger's disk is full: a run without a whole ledger proves nothing")
        self._count += 1

    def close(self) -> None:
        """Say that nothing is missing, and have everything on disk."""
        os.write(self._file, f"{CLOSED}{self._count}\n".encode())
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1  # whoever still wrote would write into somebody else's file


def files(folder: Path) -> list[Path]:
    """Return the ledger's files."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def unclosed(folder: Path) -> list[str]:
    """Return the names of files whose process did not end by itself: something may be missing."""
    return [path.name for path in files(folder) if not _last_line(path).startswith(CLOSED)]


def _last_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(CLOSED) - 24))
        lines = file.read().decode("ascii", "replace").splitlines(keepends=True)
    return lines[-1] if lines and lines[-1].endswith("\n") else ""


def merged(folder: Path) -> Iterator[Record]:
    """Yield the records of all processes in the order their answers came; LedgerError."""
    return heapq.merge(*(_read(path) for path in files(folder)), key=lambda one: one.answered_us)


def _read(path: Path) -> Iterator[Record]:
    """Yield one process's records; a torn last line was never a whole answer and is left out."""
    newest_us = 0
    with path.open(encoding="ascii", errors="strict") as lines:
        if next(lines, None) != HEADER:
            raise LedgerError(f"{path.name} is no ledger of this version")
        try:
            for number, line in enumerate(lines, 2):
                if not line.endswith("\n"):
                    return
                if line.startswith(CLOSED):
                    _require_end(line, number - 2, path.name, next(lines, None))
                    return
                record = Record.parse(line)
                if record.answered_us < newest_us:
                    raise LedgerError(f"{path.name}, line {number}: not in order, so altered")
                newest_us = record.answered_us
                yield record
        except (RecordError, UnicodeDecodeError) as error:
            raise LedgerError(f"{path.name}: {error}") from None


def _require_end(line: str, count: int, name: str, after: str | None) -> None:
    """Refuse a last line that counted other records than there are, or is not the last."""
    if line != f"{CLOSED}{count}\n" or after is not None:
        raise LedgerError(f"{name} was closed with other records than it holds: it was altered")


class Moment(NamedTuple):
    """Something that happened: a request was sent, or (answered) its answer was there."""

    at_us: int
    answered: bool
    number: int
    record: Record


def moments(records: Iterable[Record], longest_us: int) -> Iterator[Moment]:
    """Yield both ends of every record in order of time.

    records: in the order of their answers; longest_us: no record took longer. So much of them is
    held at once, not more. What was sent in the same microsecond as an answer comes before it.
    """
    held: list[Moment] = []
    for number, record in enumerate(records):
        # Whatever comes later was answered later, so it was sent after this.
        while held and held[0].at_us < record.answered_us - longest_us:
            yield heapq.heappop(held)
        heapq.heappush(held, Moment(record.sent_us, False, number, record))
        heapq.heappush(held, Moment(record.answered_us, True, number, record))
    while held:
        yield heapq.heappop(held)
