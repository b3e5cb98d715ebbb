"""A node's journal and what a survey makes of it: only a journal that tells all is complete."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from server.counter_journal.journal import CounterJournal
from server.counter_journal.ports import JournalError
from server.counter_journal.segment_writer import SegmentWriter
from server.counter_journal.segments import NodeInUseError, segments
from server.counter_journal.survey import entries
from tests.server.counter_journal.nodes import (
    NEW,
    NODE,
    accept,
    another_boot,
    crash,
    fence,
    judged,
    node,
)


def uses(directory: Path, start: int = 1) -> list[int]:
    """Return the use counters that a replay from `start` on would see."""
    standing = fence(machine_0=start)
    found = judged(directory, standing).segments
    return [one.use for batch in entries(found, standing.nodes) for one in batch]


async def test_an_orderly_end_is_complete_and_tells_everything(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1, 2, 3)
    assert judged(tmp_path, fence(machine_0=1)).problems == {}
    assert uses(tmp_path) == [1, 2, 3]


async def test_entries_are_numbered_on_over_restarts(tmp_path: Path) -> None:
    for use in (1, 2, 3):
        async with node(tmp_path) as journal:
            await accept(journal, use)
    assert [(one.header.first, one.end) for one in segments(tmp_path)] == [(1, 2), (2, 3), (3, 4)]
    assert judged(tmp_path, fence(machine_0=2)).problems == {}
    assert uses(tmp_path, 2) == [2, 3]


async def test_a_node_that_accepts_nothing_leaves_one_segment(tmp_path: Path) -> None:
    for _ in range(3):
        async with node(tmp_path):
            pass
    assert len(segments(tmp_path)) == 1


async def test_a_killed_process_has_told_everything_while_the_machine_runs(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1, 2)
        crash(journal)
    assert not segments(tmp_path)[0].ended
    assert judged(tmp_path, fence(machine_0=1)).problems == {}
    assert uses(tmp_path) == [1, 2]


async def test_a_machine_that_stopped_leaves_an_unclean_end_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
        crash(journal)
    another_boot(monkeypatch)
    assert "uncleanly" in judged(tmp_path, fence(machine_0=1)).problems[NODE]
    async with node(tmp_path) as journal:  # also when the node went on
        await accept(journal, 2)
    assert "uncleanly" in judged(tmp_path, fence(machine_0=1)).problems[NODE]
    assert uses(tmp_path) == [1, 2]  # what is there is replayed all the same
    # A backup that was made since then needs only what came after.
    assert judged(tmp_path, fence(machine_0=2)).problems == {}


async def test_half_a_record_at_the_end_is_no_entry_and_hides_none(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1, 2)
        crash(journal)
    (segment,) = segments(tmp_path)
    with segment.path.open("ab") as stream:
        stream.truncate(segment.path.stat().st_size - 5)
    assert uses(tmp_path) == [1]
    async with node(tmp_path) as journal:
        await accept(journal, 3)
    assert uses(tmp_path) == [1, 3]


async def test_a_segment_that_is_missing_shows(tmp_path: Path) -> None:
    for use in (1, 2, 3):
        async with node(tmp_path) as journal:
            await accept(journal, use)
    first, second, _ = [one.path for one in segments(tmp_path)]
    kept = second.read_bytes()
    second.unlink()
    assert "2 to 2 are missing" in judged(tmp_path, fence(machine_0=1)).problems[NODE]
    second.write_bytes(kept)
    first.unlink()
    assert "1 to 1 are missing" in judged(tmp_path, fence(machine_0=1)).problems[NODE]
    assert judged(tmp_path, fence(machine_0=2)).problems == {}
    assert "are missing" in judged(tmp_path, fence(machine_0=9)).problems[NODE]


async def test_an_altered_entry_holds_the_fence(tmp_path: Path) -> None:
    for use in (1, 2):
        async with node(tmp_path) as journal:
            await accept(journal, use)
    path = segments(tmp_path)[0].path
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    path.write_bytes(content)
    assert judged(tmp_path, fence(machine_0=1)).problems[NODE]


async def test_a_missing_journal_and_one_never_kept_hold_the_fence(tmp_path: Path) -> None:
    problems = judged(tmp_path, fence(machine_0=1, machine_1=None)).problems
    assert set(problems) == {NODE, "machine-1"}
    assert judged(tmp_path, fence()).problems  # a backup that names nobody proves nothing


async def test_a_node_that_came_after_the_backup_is_asked_for(tmp_path: Path) -> None:
    async with node(tmp_path, peers=("machine-7",)) as journal:
        await accept(journal, 1)
    assert set(judged(tmp_path, fence(machine_0=1)).problems) == {"machine-7"}
    async with node(tmp_path, "machine-7") as journal:
        await accept(journal, 1)
    assert judged(tmp_path, fence(machine_0=1)).problems == {}


async def test_a_journal_that_is_being_written_holds_the_fence(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
        assert "being written" in judged(tmp_path, fence(machine_0=1)).problems[NODE]
        with pytest.raises(NodeInUseError):
            async with node(tmp_path):
                pass


async def test_what_the_restored_store_journals_is_not_waited_for(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
    async with node(tmp_path, epoch=NEW), node(tmp_path, "machine-9", epoch=NEW):
        assert judged(tmp_path, fence(machine_0=1)).problems == {}


async def test_a_rotation_goes_on_without_a_gap_and_removes_what_no_backup_needs(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as journal:
        for use in range(1, 6):
            await accept(journal, use)
            await journal.rotate((), None)
        assert uses_written(journal, tmp_path) == [1, 2, 3, 4, 5]
        await accept(journal, 6)
        assert await journal.rotate((), 4) == 7
    assert judged(tmp_path, fence(machine_0=4)).problems == {}
    assert uses(tmp_path, 4) == [4, 5, 6]
    assert "missing" in judged(tmp_path, fence(machine_0=3)).problems[NODE]


def uses_written(_journal: CounterJournal, directory: Path) -> list[int]:
    return uses(directory)


async def test_appends_during_syncs_and_rotations_keep_their_order(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:

        async def rotate() -> None:
            for _ in range(5):
                await journal.rotate((), None)

        rotating = asyncio.create_task(rotate())
        for use in range(200):
            await accept(journal, use)
        await rotating
    assert judged(tmp_path, fence(machine_0=1)).problems == {}
    assert uses(tmp_path) == list(range(200))


async def test_a_full_disk_refuses_and_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def half(descriptor: int, octets: bytes) -> int:
        write(descriptor, octets[: len(octets) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with node(tmp_path) as journal:
        await accept(journal, 1)
        monkeypatch.setattr("server.counter_journal.segment_writer.os.write", half)
        with pytest.raises(JournalError, match="No space left"):
            await accept(journal, 2)
        with pytest.raises(JournalError):
            await journal.recover()
        monkeypatch.undo()
        journal._retry_at = 0
        await journal.recover()
        assert journal.failing is None
        await accept(journal, 3)
    assert judged(tmp_path, fence(machine_0=1)).problems == {}
    assert uses(tmp_path) == [1, 3]


async def test_a_sync_that_failed_leaves_its_segment_in_doubt_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_writer: SegmentWriter) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with node(tmp_path) as journal:
        monkeypatch.setattr(SegmentWriter, "sync", fail)
        await accept(journal, 1)
        async with asyncio.timeout(30):
            while journal.failing is None:  # noqa: ASYNC110 - a thread of its own sets it
                await asyncio.sleep(0.01)
        monkeypatch.undo()
        await journal.recover()
        await accept(journal, 2)
    assert "uncleanly" in judged(tmp_path, fence(machine_0=1)).problems[NODE]
    assert uses(tmp_path) == [1, 2]
