"""Tallies: counts that outlive the process that counted, and nothing else."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from server.maintenance.counting import Phase
from server.metrics import layout
from server.metrics.layout import Bucket, Rejected, StoreFailure
from server.metrics.tally import Tally
from server.usage.kinds import Outcome
from validation.status import Status

COUNT_AND_WAIT = """
import sys, time
from pathlib import Path
from server.metrics.tally import Tally
from validation.status import Status
tally = Tally.open(Path(sys.argv[1]))
for _ in range(1000):
    tally.answered(Status.OK, 0.001)
print("counted", flush=True)
time.sleep(600)
"""


def value(tally: Tally, name: str, *labels: str) -> int:
    family = layout.BY_NAME[name]
    return tally.cells()[family.start + (family.values.index(labels) if labels else 0)]


def counts(tally: Tally) -> list[int]:
    return tally.cells()[layout.HEADER_CELLS :]


def test_each_event_counts_in_its_own_cell_and_nowhere_else() -> None:
    tally = Tally.in_memory()
    assert sum(counts(tally)) == 0
    for status in Status:
        tally.answered(status, 0.0)
    for bucket in Bucket:
        tally.limited(bucket)
    for reason in Rejected:
        tally.rejected(reason)
    for failure in StoreFailure:
        tally.store_failed(failure)
    tally.shadowed()
    tally.unexpected()
    for phase in Phase:
        tally.enter(phase)
        for outcome in Outcome:
            tally.verified(outcome)
    for family in layout.COUNTERS[:7]:
        cells = tally.cells()[family.start : family.start + family.cells]
        expected = 0 if family.name == "keystead_http_connections" else 1
        assert cells == [expected] * family.cells, family.name
    tally.batch(32)
    assert value(tally, "keystead_store_batches") == 1
    assert value(tally, "keystead_store_entries") == 32
    assert value(tally, "keystead_store_errors", "unknown_outcome") == 1


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.00025, 0), (0.0002501, 1), (0.005, 4), (5.0, 13), (5.1, 14), (1e6, 14)],
)
def test_a_duration_counts_in_the_bucket_whose_bound_is_not_below_it(
    seconds: float, bucket: int
) -> None:
    tally = Tally.in_memory()
    tally.answered(Status.OK, seconds)
    cells = tally.cells()[layout.DURATION_START : layout.DURATION_SUM_AT]
    assert cells.index(1) == bucket
    assert sum(cells) == 1
    assert tally.cells()[layout.DURATION_SUM_AT] == int(seconds * 1_000_000)


def test_a_certificate_is_noted_while_it_is_served() -> None:
    tally = Tally.in_memory()
    gauges = slice(layout.CERTIFICATE_EXPIRES_AT, layout.CERTIFICATE_REFUSED_AT + 1)
    tally.certificate(1_800_000_000)
    tally.certificate_refused()
    assert tally.cells()[gauges] == [1_800_000_000, 1]
    tally.certificate(1_900_000_000)
    assert tally.cells()[gauges] == [1_900_000_000, 0]
    tally.certificate_refused()
    tally.no_certificate()
    assert tally.cells()[gauges] == [0, 0]


def test_what_a_request_says_counts_in_the_phase_that_is_now() -> None:
    tally = Tally.in_memory()
    tally.verified(Outcome.GOOD)
    tally.enter(Phase.MAINTENANCE)
    tally.verified(Outcome.BAD)
    tally.verified(Outcome.BAD)
    tally.enter(Phase.SERVICE)
    tally.verified(Outcome.EXCLUDED)
    found = {
        (outcome.value, phase.value): value(tally, "keystead_verify", outcome, phase)
        for outcome in Outcome
        for phase in Phase
    }
    assert {labels: count for labels, count in found.items() if count} == {
        ("good", "service"): 1,
        ("bad", "maintenance"): 2,
        ("excluded", "service"): 1,
    }


def test_the_layout_has_no_overlap_and_no_gap() -> None:
    cells = [
        cell
        for family in layout.COUNTERS
        for cell in range(family.start, family.start + family.cells)
    ]
    assert cells == list(range(layout.HEADER_CELLS, layout.DURATION_START))
    assert layout.SIZE == 8 * layout.CELLS


def test_open_connections_go_up_and_down_and_never_below_zero() -> None:
    tally = Tally.in_memory()
    tally.connected()
    tally.connected()
    tally.disconnected()
    assert tally.cells()[layout.OPEN_CONNECTIONS_AT] == 1
    for _ in range(3):
        tally.disconnected()
    assert tally.cells()[layout.OPEN_CONNECTIONS_AT] == 0
    assert value(tally, "keystead_http_connections") == 2


def test_the_longest_lag_is_kept_until_it_is_taken() -> None:
    tally = Tally.in_memory()
    for seconds in (0.1, 0.5, 0.2):
        tally.lagged(seconds)
    assert tally.take_lag_s() == pytest.approx(0.5)
    assert tally.take_lag_s() == 0.0


def test_a_tally_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    path = tmp_path / "tally-0"
    for _ in range(2):
        tally = Tally.open(path)
        tally.answered(Status.BAD_OTP, 0.01)
        tally.connected()
        tally.close()
    tally = Tally.open(path)
    assert value(tally, "keystead_verify_responses", "BAD_OTP") == 2
    assert tally.cells()[layout.OPEN_CONNECTIONS_AT] == 2
    tally.reset_gauges()
    assert tally.cells()[layout.OPEN_CONNECTIONS_AT] == 0
    assert value(tally, "keystead_verify_responses", "BAD_OTP") == 2


def test_counts_survive_sigkill_and_a_reader_sees_them_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tally-0"
    reader = Tally.open(path)
    worker = subprocess.Popen(
        [sys.executable, "-c", COUNT_AND_WAIT, str(path)], stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"counted\n"
    assert value(reader, "keystead_verify_responses", "OK") == 1000
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    replacement = Tally.open(path)
    replacement.answered(Status.OK, 0.001)
    assert value(reader, "keystead_verify_responses", "OK") == 1001


@pytest.mark.parametrize("content", [b"", b"x" * 10, bytes(layout.SIZE), b"\xff" * 9000])
def test_a_file_of_another_layout_is_started_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tally-0"
    path.write_bytes(content)
    tally = Tally.open(path)
    assert sum(counts(tally)) == 0
    tally.shadowed()
    assert value(Tally.open(path), "keystead_shadow_limited") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["tally-0"]


def test_a_file_of_an_older_layout_is_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "tally-0"
    Tally.open(path).shadowed()
    octets = bytearray(path.read_bytes())
    octets[8] ^= 1  # the fingerprint
    path.write_bytes(octets)
    assert value(Tally.open(path), "keystead_shadow_limited") == 0


def test_the_file_is_the_owners_alone_and_written_in_full(tmp_path: Path) -> None:
    path = tmp_path / "tally-0"
    Tally.open(path).close()
    facts = path.stat()
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert facts.st_size == layout.SIZE
    assert facts.st_blocks * 512 >= min(layout.SIZE, 512)  # no hole to fault on a full disk


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    Tally.open(target).close()
    (tmp_path / "tally-0").symlink_to(target)
    with pytest.raises(OSError, match="tally-0"):
        Tally.open(tmp_path / "tally-0")


def test_a_full_disk_is_an_error_and_leaves_no_half_tally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="space"):
        Tally.open(tmp_path / "tally-0")
    assert not (tmp_path / "tally-0").exists()
    monkeypatch.undo()
    assert sum(counts(Tally.open(tmp_path / "tally-0"))) == 0
