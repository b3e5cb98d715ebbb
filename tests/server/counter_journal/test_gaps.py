"""What is lost, altered or copied too early must hold the fence: each case once let it fall."""

import os
import shutil
from pathlib import Path

import pytest

from server.counter_journal.ports import JournalError, Place
from server.counter_journal.records import accepted_record
from server.counter_journal.segments import locked, segments
from tests.server.counter_journal.nodes import (
    NEW,
    NODE,
    accept,
    another_boot,
    crash,
    fence,
    judged,
    node,
    problem,
)
from tests.server.counter_journal.test_journal import uses


async def test_a_copy_made_while_the_node_served_is_not_complete(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    async with node(original) as journal:
        await accept(journal, 1)
        shutil.copytree(original, copy)
        await accept(journal, 2)
        crash(journal)
    assert problem(original) == ""
    assert "uncleanly" in problem(copy)
    async with node(copy) as journal:  # nor when the node goes on there
        await accept(journal, 3)
    assert "uncleanly" in problem(copy)


async def test_copies_of_one_segment_are_one_segment(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    async with node(original) as journal:
        await accept(journal, 1)
        shutil.copytree(original, copy)
        await accept(journal, 2)
        crash(journal)
    assert judged(original, fence(machine_0=1), copy).problems == {}
    assert judged(copy, fence(machine_0=1), original).problems == {}


async def test_the_last_segment_after_a_rotation_is_missed(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
        await journal.rotate((), None)
        await accept(journal, 2)
    segments(tmp_path)[-1].path.unlink()
    assert "what follows" in problem(tmp_path)


async def test_the_segment_that_the_backup_names_is_missed(tmp_path: Path) -> None:
    for use in (1, 2):
        async with node(tmp_path) as journal:
            await accept(journal, use)
    assert problem(tmp_path, 2) == ""
    segments(tmp_path)[-1].path.unlink()
    assert "begins with its entry 2" in problem(tmp_path, 2)


async def test_an_altered_record_in_a_killed_nodes_segment_hides_nothing(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1, 2, 3)
        crash(journal)
    (segment,) = segments(tmp_path)
    size = segment.path.stat().st_size
    record = len(accepted_record(1, 0, [b"cccccccccccb", 1, 1, 7]))
    for octet in (1, 2, 3, 4, 9, 30):  # of the second record: its length, check sum, content
        with segment.path.open("r+b") as stream:
            kept = stream.read()
            stream.seek(size - 2 * record + octet)
            stream.write(bytes([kept[size - 2 * record + octet] ^ 1]))
        assert "uncleanly" in problem(tmp_path), octet
        segment.path.write_bytes(kept)  # the same file
    assert problem(tmp_path) == ""
    with segment.path.open("r+b") as stream:
        stream.seek(size - 2 * record + 30)
        stream.write(b"?")
    async with node(tmp_path) as journal:
        await accept(journal, 4)
    assert "uncleanly" in problem(tmp_path)


async def test_a_segment_whose_header_is_unreadable_is_missed_and_never_removed(
    tmp_path: Path,
) -> None:
    for use in (1, 2):
        async with node(tmp_path) as journal:
            await accept(journal, use)
    last = segments(tmp_path)[-1].path
    content = bytearray(last.read_bytes())
    content[20] ^= 1
    last.write_bytes(content)
    assert "cannot be read" in problem(tmp_path)
    async with node(tmp_path) as journal:
        await accept(journal, 3)
    assert last.exists()
    assert "cannot be read" in problem(tmp_path)
    last.unlink()
    assert "are missing" in problem(tmp_path)
    assert uses(tmp_path) == [1, 3]


async def test_a_segment_that_lost_all_it_held_with_the_power_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for use in (1, 2):
        async with node(tmp_path) as journal:
            await accept(journal, use)
            crash(journal)
    last = segments(tmp_path)[-1]
    with last.path.open("r+b") as stream:  # it was synced as it was begun, and not since then
        stream.truncate(len(last.header.encode()))
    another_boot(monkeypatch)
    assert "uncleanly" in problem(tmp_path)
    for use in (3, 4):
        async with node(tmp_path) as journal:
            await accept(journal, use)
        assert "are missing" in problem(tmp_path)
        assert "are missing" in problem(tmp_path, 2)


async def test_a_segment_whose_first_entry_was_altered_is_never_removed(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1, 2)
    (segment,) = segments(tmp_path)
    content = bytearray(segment.path.read_bytes())
    content[len(segment.header.encode()) + 12] ^= 1
    segment.path.write_bytes(content)
    async with node(tmp_path) as journal:
        await accept(journal, 3)
    assert segment.path.read_bytes() == content
    assert problem(tmp_path)


async def test_a_segment_that_was_never_begun_is_no_loss_to_its_node(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
    (segment,) = segments(tmp_path)
    for left in (b"", segment.path.read_bytes()[:40]):
        (tmp_path / f"{NODE}.{2:020d}.counters").write_bytes(left)
        assert "cannot be read" in problem(tmp_path)  # nobody can know
        async with node(tmp_path):  # but the node itself
            pass
        assert problem(tmp_path) == ""


async def test_a_journal_that_begins_anew_elsewhere_passes_for_nothing(tmp_path: Path) -> None:
    async with node(tmp_path / "old") as journal:
        await accept(journal, 1, 2)
    for place in (Place(1), Place(3)):
        new = tmp_path / f"new{place.first}"
        async with node(new, noted=place) as journal:
            await accept(journal, *range(3, 9))
        assert problem(new), place
        assert problem(new, place.first), place
        assert judged(new, fence(machine_0=1), tmp_path / "old").problems, place
        newest = segments(new)[-1].header.first  # what a backup made now names
        assert problem(new, newest) == ""


async def test_what_was_accepted_without_a_journal_is_missed(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
    async with node(tmp_path):
        pass  # a backup made now names entry 2; then it serves without a journal
    assert problem(tmp_path, 2) == ""
    async with node(tmp_path, noted=Place(None)) as journal:
        await accept(journal, 3)
    assert problem(tmp_path)
    assert problem(tmp_path, 2)
    assert problem(tmp_path, 3) == ""


async def test_a_node_that_is_between_two_segments_is_still_writing(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
    assert problem(tmp_path) == ""
    with locked(tmp_path, NODE):
        assert "being written" in problem(tmp_path)


async def test_only_nodes_that_came_after_the_backup_are_asked_for(tmp_path: Path) -> None:
    async with node(tmp_path, peers=("machine-5",)) as journal:
        await accept(journal, 1)
    async with node(tmp_path, peers=("machine-7",)) as journal:
        await accept(journal, 2)
    assert set(judged(tmp_path, fence(machine_0=2)).problems) == {"machine-7"}
    assert set(judged(tmp_path, fence(machine_0=1)).problems) == {"machine-5", "machine-7"}


async def test_what_is_no_plain_file_is_not_followed(tmp_path: Path) -> None:
    journals = tmp_path / "j"
    async with node(journals) as journal:
        await accept(journal, 1)
    os.mkfifo(journals / f"machine-1.{1:020d}.counters")
    (journals / f"machine-2.{1:020d}.counters").symlink_to(segments(journals)[0].path)
    (journals / f"machine-3.{1:020d}.counters").mkdir()
    assert set(judged(journals, fence(machine_0=1)).problems) == {
        "machine-1",
        "machine-2",
        "machine-3",
    }


async def test_a_directory_that_others_write_in_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "j"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(JournalError, match="chmod 700"):
        async with node(shared):
            pass


async def test_a_store_that_was_restored_twice_is_told_both_lives(tmp_path: Path) -> None:
    async with node(tmp_path) as journal:
        await accept(journal, 1)
    async with node(tmp_path, "second-0", epoch="first restore", peers=(NODE,)) as journal:
        await accept(journal, 2)
        crash(journal)
    again = fence(machine_0=1)
    assert again.epoch == NEW
    assert judged(tmp_path, again).problems == {}
    assert len(judged(tmp_path, again).segments) == 2
    segments(tmp_path)[0].path.unlink()
    assert set(judged(tmp_path, again).problems) == {NODE}
