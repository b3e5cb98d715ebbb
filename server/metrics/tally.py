"""A tally: what one process has counted, in a small file that others can read while it counts.

The cells live in a shared memory mapping: adding one is a plain store into memory, with no
lock and no system call. The pages belong to the file and not to the process, so counts survive
a worker that is killed, and its replacement goes on counting where it stopped. Only one process
writes a tally; a reader may be one count behind, never wrong by more.

prometheus_client's multiprocess mode was measured and not taken: it doubles the price of each
count, keeps one file per process id (files of dead workers pile up and must not be removed
while serving), and is switched on through the environment of the whole process.
"""

import mmap
import os
import stat
from bisect import bisect_left
from pathlib import Path
from typing import Self

from hsm.audit.finding import Kind
from server.maintenance.counting import Phase
from server.metrics import layout
from server.metrics.layout import Bucket, Rejected, StoreFailure
from server.usage.kinds import Outcome
from validation.status import Status

_STATUS_AT = {
    status: layout.BY_NAME["keystead_verify_responses"].start + index
    for index, status in enumerate(Status)
}
_BUCKET_AT = {
    bucket: layout.BY_NAME["keystead_rate_limited"].start + index
    for index, bucket in enumerate(Bucket)
}
_REJECTED_AT = {
    reason: layout.BY_NAME["keystead_http_rejected"].start + index
    for index, reason in enumerate(Rejected)
}
_FAILURE_AT = {
    failure: layout.BY_NAME["keystead_store_errors"].start + index
    for index, failure in enumerate(StoreFailure)
}
_ALARM_AT = {
    Kind(value): layout.BY_NAME["keystead_hsm_alarms"].start + index
    for index, (value,) in enumerate(layout.BY_NAME["keystead_hsm_alarms"].values)
}
_VERIFY_AT = layout.BY_NAME["keystead_verify"].start
_OUTCOME_AT = {outcome: _VERIFY_AT + index for index, outcome in enumerate(Outcome)}
_PHASE_AT = {phase: index * len(Outcome) for index, phase in enumerate(Phase)}
_SHADOWED_AT = layout.BY_NAME["keystead_shadow_limited"].start
_CONNECTIONS_AT = layout.BY_NAME["keystead_http_connections"].start
_UNEXPECTED_AT = layout.BY_NAME["keystead_unexpected_errors"].start
_BATCHES_AT = layout.BY_NAME["keystead_store_batches"].start
_ENTRIES_AT = layout.BY_NAME["keystead_store_entries"].start
# Bound here because a module's attribute costs a second lookup in each count.
_DURATION_START = layout.DURATION_START
_DURATION_BOUNDS_S = layout.DURATION_BOUNDS_S
_DURATION_SUM_AT = layout.DURATION_SUM_AT


class Tally:
    """Counts of one process. Use `open` for a file that survives, `in_memory` without one."""

    __slots__ = ("_cells", "_map", "_phase_at")

    def __init__(self, mapping: mmap.mmap) -> None:
        self._map = mapping
        self._cells = memoryview(mapping).cast("Q")
        self._phase_at = 0

    @classmethod
    def in_memory(cls) -> Self:
        """Return a tally that nobody else reads and that ends with the process."""
        mapping = mmap.mmap(-1, layout.SIZE)
        mapping[: layout.HEADER_CELLS * 8] = _header()
        return cls(mapping)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the tally in `path`; a file that is absent or of another layout starts at zero.

        Raises OSError when the file cannot be made or is not ours to use (a symbolic link).
        """
        fd = _open_current(path)
        if fd is None:
            fd = _create(path)
        try:
            return cls(mmap.mmap(fd, layout.SIZE))
        finally:
            os.close(fd)

    def close(self) -> None:
        """Give the mapping back. The file stays, with its counts."""
        self._cells.release()
        self._map.close()

    def cells(self) -> list[int]:
        """Return a copy of all cells, in the order of `layout`."""
        return self._cells.tolist()

    def answered(self, status: Status, seconds: float) -> None:
        """Count one answer of the verification door and how long it took."""
        cells = self._cells
        cells[_STATUS_AT[status]] += 1
        cells[_DURATION_START + bisect_left(_DURATION_BOUNDS_S, seconds)] += 1
        cells[_DURATION_SUM_AT] += int(seconds * 1_000_000)

    def verified(self, outcome: Outcome) -> None:
        """Count what one request says about the service, in the phase that is now."""
        self._cells[_OUTCOME_AT[outcome] + self._phase_at] += 1

    def enter(self, phase: Phase) -> None:
        """Count requests in this phase from now on; `Phase.SERVICE` before the first call."""
        self._phase_at = _PHASE_AT[phase]

    def limited(self, bucket: Bucket) -> None:
        """Count one answer 429."""
        self._cells[_BUCKET_AT[bucket]] += 1

    def shadowed(self) -> None:
        """Count one answer that shadow mode let through."""
        self._cells[_SHADOWED_AT] += 1

    def rejected(self, reason: Rejected) -> None:
        """Count one connection or request that the guard turned away."""
        self._cells[_REJECTED_AT[reason]] += 1

    def unexpected(self) -> None:
        """Count one fault nobody foresaw."""
        self._cells[_UNEXPECTED_AT] += 1

    def batch(self, entries: int) -> None:
        """Count one batch that the store decided."""
        cells = self._cells
        cells[_BATCHES_AT] += 1
        cells[_ENTRIES_AT] += entries

    def store_failed(self, failure: StoreFailure) -> None:
        """Count one batch that the store could not decide."""
        self._cells[_FAILURE_AT[failure]] += 1

    def hsm_alarm(self, kind: Kind) -> None:
        """Count one alarm from an HSM's log."""
        self._cells[_ALARM_AT[kind]] += 1

    def connected(self) -> None:
        """Count one accepted connection; it is open until `disconnected`."""
        cells = self._cells
        cells[_CONNECTIONS_AT] += 1
        cells[layout.OPEN_CONNECTIONS_AT] += 1

    def disconnected(self) -> None:
        """Note that an accepted connection ended."""
        cells = self._cells
        if cells[layout.OPEN_CONNECTIONS_AT]:
            cells[layout.OPEN_CONNECTIONS_AT] -= 1

    def lagged(self, seconds: float) -> None:
        """Note how late the event loop was; the longest since the last reading is kept."""
        cells = self._cells
        cells[layout.LOOP_LAG_AT] = max(cells[layout.LOOP_LAG_AT], int(seconds * 1_000_000))

    def take_lag_s(self) -> float:
        """Return the longest lag since the last call, in seconds, and start again at zero.

        Called by the process that shows the metrics, also for other processes' tallies: when
        a lag is noted in the same microsecond, that one may be lost.
        """
        microseconds = self._cells[layout.LOOP_LAG_AT]
        self._cells[layout.LOOP_LAG_AT] = 0
        return microseconds / 1_000_000

    def certificate(self, expires_at: int) -> None:
        """Note the TLS certificate in service. expires_at: Unix seconds."""
        self._cells[layout.CERTIFICATE_EXPIRES_AT] = max(0, expires_at)
        self._cells[layout.CERTIFICATE_REFUSED_AT] = 0

    def no_certificate(self) -> None:
        """Note that this process serves none any more: it ends, and its tally stays."""
        self._cells[layout.CERTIFICATE_EXPIRES_AT] = 0
        self._cells[layout.CERTIFICATE_REFUSED_AT] = 0

    def certificate_refused(self) -> None:
        """Note that newer TLS files are no good and the certificate stays."""
        self._cells[layout.CERTIFICATE_REFUSED_AT] = 1

    def reset_gauges(self) -> None:
        """Forget what was true of a former process only. A worker calls this when it starts."""
        self._cells[layout.OPEN_CONNECTIONS_AT] = 0
        self._cells[layout.LOOP_LAG_AT] = 0
        self.no_certificate()


def _header() -> bytes:
    """Return the first cells of a tally of this layout, in the machine's byte order."""
    cells = memoryview(bytearray(layout.HEADER_CELLS * 8)).cast("Q")
    cells[0] = layout.MAGIC
    cells[1] = layout.FINGERPRINT
    return cells.tobytes()


def _open_current(path: Path) -> int | None:
    """Open a tally of the present layout; None when there is none at `path`."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    facts = os.fstat(fd)
    if (
        stat.S_ISREG(facts.st_mode)
        and facts.st_size == layout.SIZE
        and os.pread(fd, layout.HEADER_CELLS * 8, 0) == _header()
    ):
        return fd
    os.close(fd)
    return None


def _create(path: Path) -> int:
    """Put a fresh tally in the place of `path`.

    The file is written in full, not left sparse: a store into a hole of a mapped file on a full
    disk would end the process with SIGBUS. It takes its name when it is complete.
    """
    fresh = path.with_name(path.name + ".new")
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(fresh, flags, 0o600)
    try:
        content = memoryview(_header().ljust(layout.SIZE, b"\0"))
        while content:
            content = content[os.write(fd, content) :]
        fresh.replace(path)
    except BaseException:
        os.close(fd)
        raise
    return fd
