"""One node's counter journal: appends without waiting for a disk, syncs, rotates, recovers.

A record is written before the answer leaves (from then on it survives the process) and synced
within half a second (it survives the machine). The write goes to the kernel's memory and takes
microseconds. Only while a sync or a rotation is under way it might wait for the disk; then a
thread waits, never the event loop.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog

from server.clock import Clock
from server.counter_journal.ports import JournalError, Place
from server.counter_journal.records import ENTRY_OCTETS, FIRST, Header, Kind
from server.counter_journal.segment_writer import SegmentWriter
from server.counter_journal.segments import (
    SUFFIX,
    boot_id,
    first_of,
    locked,
    look,
    others_may_write,
    was_never_begun,
)

T = TypeVar("T")

SYNC_AFTER_S = 0.5
SEGMENT_OCTETS = 16 * 1024 * 1024
SEGMENT_S = 3600.0
_RETRY_S = 1.0

_log = structlog.stdlib.get_logger(__name__)


class Station(NamedTuple):
    """Where a node writes and whose counters: the store's id, and its epoch since a restore."""

    directory: Path
    node: str
    store: str
    epoch: str


class CounterJournal:
    """Journals what this process accepts. For one event loop; `close` ends it in order."""

    def __init__(
        self, station: Station, *, clock: Clock, sync_after_s: float = SYNC_AFTER_S
    ) -> None:
        self._station = station
        self._clock = clock
        self._sync_after_s = sync_after_s
        self._gate = threading.Lock()
        """Held by whoever uses the writer: an append, the sync, a rotation."""
        self._writer: SegmentWriter | None = None
        self._stack = ExitStack()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keystead-counters")
        self._dirty = threading.Event()
        self._stopping = threading.Event()
        self._syncer = threading.Thread(
            target=self._keep_syncing, name="keystead-counters-sync", daemon=True
        )
        self._peers: Sequence[str] = ()
        self._began = 0.0
        self._lost = False
        self._retry_at = 0.0
        self.failing: str | None = None
        """Why nothing can be journaled now; None when all is well."""

    async def open(self, peers: Sequence[str], noted: Place | None = None) -> int:
        """Become the node's writer and begin a segment; return the number it begins with.

        noted: what the store was told of this node last, None for a new one. Raises JournalError
        and NodeInUseError.
        """
        first = await self._on_thread(self._open, peers, noted)
        self._syncer.start()
        return first

    @property
    def wants_rotation(self) -> bool:
        """Whether the segment is large, or old and not empty."""
        writer = self._writer
        if writer is None:
            return False
        age_s = self._clock.monotonic() - self._began
        return writer.octets >= SEGMENT_OCTETS or (
            age_s >= SEGMENT_S and writer.next > writer.first
        )

    async def append(self, fields: Sequence[bytes | int]) -> None:
        """Write one batch: public id, session, use and clock of each entry in turn.

        Raises JournalError: then nothing of it is in the journal.
        """
        time_us = self._clock.now_us()
        if self._gate.acquire(blocking=False):
            try:
                self._append(time_us, fields)
            finally:
                self._gate.release()
        else:
            await self._on_thread(self._append_in_turn, time_us, fields)

    async def recover(self) -> None:
        """Try to journal again after a failure, once a second; JournalError while it lasts."""
        now = self._clock.monotonic()
        if now < self._retry_at:
            raise JournalError(self.failing or "the counter journal failed a moment ago")
        self._retry_at = now + _RETRY_S
        await self._on_thread(self._recover)

    async def rotate(self, peers: Sequence[str], keep_from: int | None) -> int:
        """End the segment and begin another one; return its number. Raises JournalError.

        keep_from: whole segments before this number are removed.
        """
        return await self._on_thread(self._rotate, peers, keep_from)

    async def close(self) -> None:
        """Mark the orderly end, and stop."""
        await self._on_thread(self._close)
        self._thread.shutdown()

    async def _on_thread(self, call: Callable[..., T], *values: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *values)

    # With the gate held, or before anybody else can be there.

    def _append(self, time_us: int, fields: Sequence[bytes | int]) -> None:
        if self._writer is None:
            raise JournalError(self.failing or "the counter journal is closed")
        try:
            self._writer.append(time_us, fields)
        except OSError as error:
            raise self._failed(error) from error
        self._dirty.set()

    def _failed(self, error: OSError) -> JournalError:
        why = (
            f"the counter journal in {self._station.directory} cannot be written: {error.strerror}"
        )
        if self.failing is None:
            _log.error("counter_journal_failed", error=why)
        self.failing = why
        return JournalError(why)

    def _begin(self, peers: Sequence[str], first: int, *, continues: bool) -> int:
        """Begin a segment with entry `first`. continues: as in its header."""
        header = Header(
            node=self._station.node,
            store=self._station.store,
            epoch=self._station.epoch,
            first=first,
            boot=boot_id(),
            continues=continues and not self._lost,
            peers=tuple(sorted(peers)),
            opened_us=self._clock.now_us(),
            file="",  # known when there is one
        )
        self._writer = SegmentWriter.begin(self._station.directory, header)
        self._began = self._clock.monotonic()
        if not header.continues:
            _log.error("counter_journal_cut_off", node=header.node, before=first)
        self._lost = False
        self._peers = tuple(peers)
        return first

    def _left_off(self, noted: Place | None) -> tuple[int, bool]:
        """Return which entry comes next, and whether all before it are known to be there.

        noted: what the store was told last; None when it was told nothing, or need not be asked.
        """
        directory, node = self._station.directory, self._station.node
        first, continues = FIRST, True
        paths = sorted(directory.glob(f"{node}.*{SUFFIX}"), reverse=True)
        begun = {first_of(path) for path in paths}
        for path in paths:
            last = look(path)
            if last is not None:
                first, continues = last.end, last.is_all_that_was_written(boot_id())
                if first > last.header.first:
                    break
                if continues:  # nothing was ever in it: ours takes its name
                    continues = last.header.continues
                    path.unlink()
                    break
            elif was_never_begun(path):
                path.unlink()
                continue
            # It may have held entries, at most so many. The numbers are theirs: a backup that
            # names this segment must not take ours for it.
            first = first_of(path) + path.stat().st_size // ENTRY_OCTETS + 1
            continues = False
            break
        if noted is None:
            return first, continues
        if noted.first is None:  # it served without a journal
            return first + 1, False
        if noted.first not in begun:
            # What the store was told of is somewhere else, or lost: ours must not pass for it.
            return max(first, noted.first) + 1, False
        return first, continues

    def _open(self, peers: Sequence[str], noted: Place | None) -> int:
        directory = self._station.directory
        try:
            with suppress(FileExistsError):
                directory.mkdir(mode=0o700)
            if others_may_write(directory):
                raise JournalError(
                    f"the counter journal in {directory} could be altered by others. The directory"
                    f" has to be the service's user's own: chown it, then chmod 700 {directory}"
                )
            self._stack.enter_context(locked(directory, self._station.node))
            first, continues = self._left_off(noted)
            return self._begin(peers, first, continues=continues)
        except OSError as error:
            self._stack.close()
            raise JournalError(
                f"the counter journal in {directory} cannot be begun: {error.strerror}. Make the"
                " directory writable for the service's user, or correct backup.counter_journal"
            ) from error

    # On the thread.

    def _append_in_turn(self, time_us: int, fields: Sequence[bytes | int]) -> None:
        with self._gate:
            self._append(time_us, fields)

    def _recover(self) -> None:
        with self._gate:
            try:
                if self._lost or self._writer is None:
                    self._abandon()
                    first, continues = self._left_off(None)
                    self._begin(self._peers, first, continues=continues)
                else:
                    self._writer.prove_room()
            except OSError as error:
                raise self._failed(error) from error
            self.failing = None
        _log.info("recovered", alarm="counter_journal_failed")

    def _rotate(self, peers: Sequence[str], keep_from: int | None) -> int:
        with self._gate:
            if self._lost:
                raise JournalError(self.failing or "the counter journal failed")
            writer = self._writer
            if writer is None:
                raise JournalError(self.failing or "the counter journal is closed")
            first = writer.next
            try:
                if first > writer.first:  # else there is nothing to end
                    self._writer = None
                    writer.finish(Kind.NEXT)
                    self._begin(peers, first, continues=True)
            except OSError as error:
                raise self._failed(error) from error
        if keep_from is not None:
            self._prune(keep_from)
        return first

    def _prune(self, keep_from: int) -> None:
        paths = sorted(self._station.directory.glob(f"{self._station.node}.*{SUFFIX}"))
        for path, successor in pairwise(paths):
            if first_of(successor) > keep_from:
                break
            with suppress(OSError):
                path.unlink()

    def _abandon(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abandon()

    def _close(self) -> None:
        self._stopping.set()
        self._dirty.set()
        if self._syncer.is_alive():
            self._syncer.join()
        with self._gate:
            writer, self._writer = self._writer, None
            try:
                if writer is not None and not self._lost:
                    writer.finish(Kind.END)
            except OSError as error:
                self._failed(error)
            finally:
                self._stack.close()

    # The syncing thread.

    def _keep_syncing(self) -> None:
        while self._dirty.wait():
            if self._stopping.wait(self._sync_after_s):
                return  # the end syncs what is left
            self._dirty.clear()
            with self._gate:
                try:
                    if self._writer is not None:
                        self._writer.sync()
                except OSError as error:
                    # The kernel may have dropped what it could not write: these entries are
                    # in doubt, and what comes goes into another segment that says so.
                    self._lost = True
                    self._failed(error)
