"""The prober's spool: durable, numbered, bounded, and shared with a command."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.probing.finding import Finding, Outcome
from server.storage.spool import Spool, SpoolError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(file: Path) -> Iterator[Spool]:
    opened = Spool.open(file)
    yield opened
    opened.close()


def keep(spool: Spool, count: int) -> list[Finding]:
    return [spool.append(Outcome.GOOD, at, at + 1) for at in range(count)]


def test_findings_wait_in_order_until_they_are_taken(spool: Spool) -> None:
    assert spool.latest_us() is None
    kept = keep(spool, 5)
    assert [one.number for one in kept] == [1, 2, 3, 4, 5]
    assert spool.unsent(3) == kept[:3]
    spool.taken(3)
    assert spool.unsent(10) == kept[3:]
    assert (spool.newest, spool.latest_us(), spool.waiting) == (5, 5, 2)


def test_everything_is_there_after_a_new_start(file: Path, spool: Spool) -> None:
    kept = [spool.append(Outcome.BAD, 7, 9, "HTTP 500"), *keep(spool, 1)]
    spool.put("name", "value")
    name = spool.prober
    spool.close()
    again = Spool.open(file)
    assert (again.unsent(9), again.prober, again.get("name")) == (kept, name, "value")
    assert again.append(Outcome.GOOD, 1, 1).number == 3
    again.close()


def test_each_spool_has_a_name_of_its_own(tmp_path: Path) -> None:
    names = set()
    for at in range(3):
        spool = Spool.open(tmp_path / str(at))
        names.add(spool.prober)
        spool.close()
    assert len(names) == 3


def test_the_oldest_give_way_and_are_counted(file: Path) -> None:
    spool = Spool.open(file, most=3)
    keep(spool, 5)
    assert [one.number for one in spool.unsent(9)] == [3, 4, 5]
    assert spool.lost == 2
    spool.close()


def test_a_copy_counts_on_from_what_the_server_has(spool: Spool) -> None:
    keep(spool, 3)
    spool.taken(1)
    spool.renumber(10)
    assert [(one.number, one.at_us) for one in spool.unsent(9)] == [(11, 1), (12, 2)]
    assert spool.append(Outcome.GOOD, 9, 9).number == 13


def test_a_command_beside_the_prober_adds_to_the_same_history(file: Path, spool: Spool) -> None:
    other = Spool.open(file)
    assert [spool.add_record("a", "1"), other.add_record("a", "2")] == [1, 2]
    assert spool.add_record("b", "x") == 1
    assert other.records("a") == spool.records("a") == ["1", "2"]
    spool.forget_records("a")
    assert other.records("a") == []
    other.close()


def test_what_fails_in_the_middle_is_not_there(spool: Spool) -> None:
    def half() -> None:
        with spool.writing():
            spool.put("name", "value")
            spool.add_record("a", "1")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        half()
    assert (spool.get("name"), spool.records("a")) == (None, [])


def test_its_file_is_for_its_owner_alone(file: Path, spool: Spool) -> None:
    keep(spool, 1)
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}


def test_what_is_no_spool_is_refused_with_words(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="directory"):
        Spool.open(tmp_path / "absent" / "spool.db")
    other = tmp_path / "other"
    other.write_bytes(b"something else, long enough to be looked at" * 50)
    with pytest.raises(SpoolError):
        Spool.open(other)
    later = tmp_path / "later"
    connection = sqlite3.connect(later)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SpoolError, match="version 99"):
        Spool.open(later)
