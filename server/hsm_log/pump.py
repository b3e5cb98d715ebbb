"""Carries the log of one device away: read, verified, archived durably, noted; then forgotten.

In this order, because a device that has forgotten cannot be asked again. A crash between any two
steps leaves something to be done once more: what is read twice is recognised by its digests, what
is archived and not noted is noted at the next turn, and what is noted is forgotten then.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from hsm.audit.archive import Archive
from hsm.audit.entry import LogRead
from hsm.audit.finding import Finding, Kind
from hsm.audit.lines import DamagedLineError
from hsm.audit.noted import Note, Resumed, resume
from hsm.audit.record import Record, Signer
from hsm.audit.rules import Rules
from hsm.audit.source import LogSource, Used
from hsm.audit.standing import step
from server.clock import Clock
from server.hsm_log.alarms import Alarms
from server.hsm_log.ports import HsmLogBook
from server.leases import Lease

T = TypeVar("T")

MARK = 40
"""Entries, of 62, at which the log is read at once."""
LONGEST_S = 3600.0
"""So long an entry stays in the device at most."""
NOTES = "hsm_log_"
"""The notes' names in the store begin so; the device's serial number follows."""

_log = structlog.stdlib.get_logger(__name__)


class LogPump:
    """One device's pump. Its turns come one after the other, under a lease.

    folder: where archives are; node: names this installation; used: what the device said last,
    None before that.
    """

    def __init__(
        self,
        source: LogSource,
        *,
        folder: Path,
        signer: Signer,
        rules: Rules,
        book: HsmLogBook,
        node: str,
        clock: Clock,
        alarms: Alarms,
        mark: int = MARK,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._source = source
        self._folder = folder
        self._signer = signer
        self._rules = rules
        self._book = book
        self._node = node
        self._clock = clock
        self._alarms = alarms
        self._mark = mark
        self._longest_s = longest_s
        # One thread: what a cancelled turn left running ends before the next one begins.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hsm-log")
        self._archive: Archive | None = None
        self._archived_serial: int | None = None
        self._read_at: float | None = None
        self._began = clock.monotonic()
        self.used: Used | None = None

    @property
    def age_s(self) -> float:
        """How long ago the log was seen to be in order, or emptied: seconds."""
        return self._clock.monotonic() - (self._began if self._read_at is None else self._read_at)

    async def turn(self, lease: Lease, *, now: bool = False) -> bool:
        """Look, and carry the log away if it is time; return whether that was done.

        now: whatever time it is. Raises VaultError, the store's errors and LeaseLostError.
        """
        used = self.used = await self._blocking(self._source.used)
        first = self._read_at is None
        if not (now or first or used.entries >= self._mark):
            if used.entries == 0:
                self._read_at = self._clock.monotonic()
                return False
            if self.age_s < self._longest_s:
                return False
        if not await self._carry_away(used.serial, lease):
            return False
        self._read_at = self._clock.monotonic()
        return True

    async def close(self) -> None:
        """Let go of the archive, after what is running."""
        await self._blocking(self._close_archive)
        self._thread.shutdown()

    async def _carry_away(self, serial: int, lease: Lease) -> bool:
        archive = await self._blocking(lambda: self._archive_of(serial))
        name = f"{NOTES}{serial}"
        written = await self._book.meta(name)
        resumed = await self._blocking(lambda: self._resumed(written, archive))
        for record in resumed.untold:
            noted = await self._tell(name, written, record, lease)
            if noted is None:
                return False
            written = noted
        found, log = await self._blocking(self._source.read)
        if found != serial:
            return False  # another device in its place: the next turn begins with that one
        done = step(resumed.before, log, self._rules)
        done = done._replace(findings=resumed.findings + done.findings)
        if done.new.entries or done.findings:
            record = await self._blocking(lambda: archive.append(serial, resumed.before, done))
            if await self._tell(name, written, record, lease) is None:
                return False
        await self._forget(serial, log)
        return True

    async def _forget(self, serial: int, log: LogRead) -> None:
        if log.entries:
            last = log.entries[-1].number
            await self._blocking(lambda: self._source.forget(serial, last))

    def _resumed(self, written: str | None, archive: Archive) -> Resumed:
        doubts: tuple[Finding, ...] = ()
        note = None
        if written is not None:
            try:
                note = Note.parse(written)
            except DamagedLineError as error:
                what = f"what the store notes of the archive cannot be read: {error}"
                doubts = (Finding(Kind.ARCHIVE, None, what),)
        head = archive.head
        records: tuple[Record, ...] = () if head is None else (head,)
        ours = note is not None and note.node == self._node
        if note is not None and head is not None and ours and note.sequence != head.sequence:
            records = tuple(archive.since(note.sequence - 1))
        resumed = resume(note, records, self._node)
        return resumed._replace(findings=doubts + resumed.findings)

    async def _tell(
        self, name: str, written: str | None, record: Record, lease: Lease
    ) -> str | None:
        """Raise the alarms of a record and note it; None when somebody else noted another."""
        _log.info(
            "hsm_log_archived",
            serial=record.serial,
            sequence=record.sequence,
            hash=record.hash.hex(),
            entries=len(record.log.entries),
        )
        facts = self._alarms.raised(record.serial, record.findings, record.sequence)
        note = Note.of(self._node, record).format()
        return note if await self._book.note_hsm_log(name, written, note, facts, lease) else None

    def _archive_of(self, serial: int) -> Archive:
        if self._archive is None or self._archived_serial != serial:
            self._close_archive()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._archive = Archive.open(
                self._folder, serial, signer=self._signer, now_us=self._clock.now_us
            )
            self._archived_serial = serial
        return self._archive

    def _close_archive(self) -> None:
        archive, self._archive = self._archive, None
        if archive is not None:
            archive.close()

    async def _blocking(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)
