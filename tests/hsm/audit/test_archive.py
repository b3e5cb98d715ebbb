"""The archive: what it says is there is there, and nothing else."""

import contextlib
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.audit.archive import ArchiveError, path_of
from hsm.audit.lines import DamagedLineError, parse_line
from hsm.audit.record import BEGINNING, Record
from hsm.audit.standing import step
from tests.hsm.audit.archives import RULES, SERIAL, carry, fill, lines, open_archive
from tests.hsm.audit.logs import CREATED, a_log, read


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    records = fill(tmp_path, a_log(), [3, 1])
    assert [Record.parse(line[:-1]) for line in lines(tmp_path)] == records
    assert (records[0].sequence, records[0].previous, records[0].before) == (1, BEGINNING, None)
    assert (records[1].sequence, records[1].previous) == (2, records[0].hash)
    assert records[1].before == records[0].after
    assert len(records[0].log.entries) == 5
    assert len(records[1].log.entries) == 1


def test_an_archive_goes_on_where_it_ended(tmp_path: Path) -> None:
    log = a_log()
    first = fill(tmp_path, log, [3, 1])
    archive = open_archive(tmp_path)
    assert archive.head == first[-1]
    assert archive.since(0) == first
    assert archive.since(1) == first[1:]
    assert carry(archive, log, first[-1].after, 2).sequence == 3
    archive.close()


def test_a_last_line_that_was_cut_off_is_taken_away_wherever_it_was_cut(tmp_path: Path) -> None:
    log = a_log()
    fill(tmp_path, log, [1, 1])
    path = path_of(tmp_path, SERIAL)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        archive = open_archive(tmp_path)
        assert archive.head is not None
        assert archive.head.sequence == 1
        archive.close()
        assert path.read_bytes() == whole[:first]
    path.write_bytes(whole[: first - 1])
    archive = open_archive(tmp_path)
    assert archive.head is None
    archive.close()


def test_a_record_that_could_not_be_made_durable_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_log()
    fill(tmp_path, log, [1])
    before = path_of(tmp_path, SERIAL).read_bytes()
    archive = open_archive(tmp_path)
    real = os.fsync
    failures = iter([OSError(errno.EIO, "Input/output error")])

    def fail_once(file: int) -> None:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        real(file)

    monkeypatch.setattr(os, "fsync", fail_once)
    head = archive.head
    assert head is not None
    log.note(CREATED, 1)
    with pytest.raises(ArchiveError, match="cannot be written"):
        archive.append(SERIAL, head.after, step(head.after, read(log), RULES))
    assert path_of(tmp_path, SERIAL).read_bytes() == before
    assert archive.head == head
    assert carry(archive, log, head.after, 0).sequence == 2, "it is tried again, and nothing twice"
    archive.close()


def test_an_archive_that_cannot_take_back_its_write_is_not_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_log()
    archive = open_archive(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        patch.setattr(os, "ftruncate", fail)
        with pytest.raises(ArchiveError):
            archive.append(SERIAL, None, step(None, read(log), RULES))
    with pytest.raises(ArchiveError, match="restart"):
        archive.append(SERIAL, None, step(None, read(log), RULES))
    archive.close()


def test_an_archive_that_is_none_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = path_of(tmp_path, SERIAL)
    path.write_bytes(b"nothing of the kind\n")
    with pytest.raises(ArchiveError, match="move it away"):
        open_archive(tmp_path)
    path.write_bytes(b"x" * 200_000)
    with pytest.raises(ArchiveError, match="no line"):
        open_archive(tmp_path)
    assert path.read_bytes() == b"x" * 200_000
    path.unlink()
    fill(tmp_path, a_log(), [1])
    path.rename(path_of(tmp_path, 7))
    with pytest.raises(ArchiveError, match=f"archive of device {SERIAL}"):
        open_archive(tmp_path, 7)
    (tmp_path / "8.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError, match="cannot be opened"):
        open_archive(tmp_path, 8)
    assert not (tmp_path / "elsewhere").exists()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    fill(tmp_path, a_log(), [1])
    assert path_of(tmp_path, SERIAL).stat().st_mode & 0o777 == 0o600


@given(st.binary(max_size=300))
def test_whatever_stands_in_a_line_is_an_object_or_damaged(line: bytes) -> None:
    with contextlib.suppress(DamagedLineError):
        parse_line(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":1, "b":2}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":NaN}',
        b"[1]",
        b'{"a":"\xc3\xa4"}',
        b"{" * 100_000,
    ],
)
def test_an_object_is_spelt_in_one_way_only(line: bytes) -> None:
    with pytest.raises(DamagedLineError):
        parse_line(line)
