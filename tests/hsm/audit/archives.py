"""Archives for tests: of a log that goes on, written by the archive itself."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from hsm import manifest
from hsm.audit.archive import Archive, path_of
from hsm.audit.record import Record
from hsm.audit.rules import Rules
from hsm.audit.standing import Standing, step
from hsm.emulator.objects.auditlog import AuditLog
from hsm.journalkey import JournalKey
from tests.hsm.audit.logs import CREATED, read

KEY = JournalKey.generate()
RULES = Rules.of(manifest.validation(), boots=True)
SERIAL = 4002941770


def ticks() -> Iterator[int]:
    return count(1_700_000_000_000_000, 1_000_000)


def open_archive(folder: Path, serial: int = SERIAL) -> Archive:
    times = ticks()
    return Archive.open(folder, serial, signer=KEY, now_us=lambda: next(times))


def carry(archive: Archive, log: AuditLog, before: Standing | None, created: int) -> Record:
    """Let the device do something, and archive it as the pump does."""
    for tick in range(created):
        log.note(CREATED, tick)
    found = read(log)
    record = archive.append(SERIAL, before, step(before, found, RULES))
    log.forget(found.entries[-1].number)
    return record


def fill(folder: Path, log: AuditLog, counts: list[int]) -> list[Record]:
    archive = open_archive(folder)
    records: list[Record] = []
    for created in counts:
        head = archive.head
        records.append(carry(archive, log, head and head.after, created))
    archive.close()
    return records


def lines(folder: Path) -> list[bytes]:
    return path_of(folder, SERIAL).read_bytes().splitlines(keepends=True)
