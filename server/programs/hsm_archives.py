"""Archives of HSMs' logs as files: verified, and read for what was found."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from hsm.audit.entry import MalformedLogError
from hsm.audit.lines import MAX_LINE, DamagedLineError
from hsm.audit.record import Record
from hsm.audit.verify import Noted, Verdict, verify
from server.journal.moments import format_moment
from server.programs.exits import CommandError, Exit
from server.programs.journal_files import read_public_keys

_NOTED = re.compile(r"([1-9][0-9]{0,9}):([0-9a-f]{64})")


def archives_in(folder: Path) -> list[Path]:
    """Return the archives of a folder."""
    return sorted(folder.glob("*.jsonl"))


def verify_files(
    files: Sequence[Path], key_files: Sequence[Path], noted: Sequence[str]
) -> list[Verdict]:
    """Verify archives; CommandError when one cannot be read."""
    keys = [key for path in key_files for key in read_public_keys(path)]
    notes = [_noted(one) for one in noted]
    with ExitStack() as stack:
        streams = [_lines(stack.enter_context(_opened(file))) for file in files]
        return verify(streams, keys, notes)


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for programs."""
    fault = verdict.fault
    return {
        "whole": fault is None,
        "serial": verdict.serial,
        "records": verdict.records,
        "entries": verdict.entries,
        "alarms": sum(found.is_alarm for _, found in verdict.findings),
        "hash": verdict.hash.hex(),
        "cut_off": verdict.torn,
        "line": None if fault is None else fault.line,
        "fault": None if fault is None else fault.what,
    }


def findings_of(files: Sequence[Path], limit: int, *, every: bool) -> list[dict[str, Any]]:
    """Return the last findings of archives, in the order of time; CommandError."""
    rows = []
    for file in files:
        with _opened(file) as stream:
            for line in _lines(stream):
                if not line.endswith(b"\n"):
                    break  # cut off, or being written now
                record = _record(file, line)
                rows += [
                    {
                        "time": format_moment(record.time_us),
                        "device": record.serial,
                        "record": record.sequence,
                        "entry": found.number,
                        "kind": found.kind.value,
                        "what": found.what,
                    }
                    for found in record.findings
                    if every or found.is_alarm
                ]
    return sorted(rows, key=lambda row: str(row["time"]))[-limit:]


def _record(file: Path, line: bytes) -> Record:
    try:
        return Record.parse(line[:-1])
    except (DamagedLineError, MalformedLogError) as error:
        raise CommandError(f"{file} is damaged: {error}", Exit.DAMAGED) from None


def _noted(written: str) -> Noted:
    match = _NOTED.fullmatch(written)
    if match is None:
        raise CommandError(
            f"{written[:80]!r} is no record: write its sequence, a colon and its hash", Exit.USAGE
        )
    return Noted(int(match[1]), bytes.fromhex(match[2]))


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; one without end is cut, and then refused as too long."""
    while line := stream.readline(MAX_LINE + 2):
        yield line
