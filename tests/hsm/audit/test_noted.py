"""The store's note and this node's archive: which is ahead, and what is to be told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.audit.finding import Kind
from hsm.audit.lines import DamagedLineError
from hsm.audit.noted import Note, resume
from hsm.audit.reconcile import Balance, balance
from hsm.audit.record import Record
from tests.hsm.audit.archives import carry, fill, open_archive
from tests.hsm.audit.logs import a_log


@pytest.fixture
def records(tmp_path: Path) -> tuple[Record, ...]:
    return tuple(fill(tmp_path, a_log(), [2, 2, 2]))


def test_a_note_is_read_as_it_was_written(records: tuple[Record, ...]) -> None:
    for record in (*records, records[0]._replace(after=None)):
        note = Note.of("node", record)
        assert Note.parse(note.format()) == note
    with pytest.raises(DamagedLineError):
        Note.parse("{}")


def test_what_the_note_knows_is_not_told_again(records: tuple[Record, ...]) -> None:
    resumed = resume(Note.of("me", records[-1]), records[-1:], "me")
    assert resumed == ((), records[-1].after, ())


def test_what_was_archived_and_not_noted_is_told_now(records: tuple[Record, ...]) -> None:
    resumed = resume(Note.of("me", records[0]), records, "me")
    assert resumed == (records[1:], records[-1].after, ())
    first = resume(None, records[:1], "me")
    assert first == (records[:1], records[0].after, ())
    assert resume(None, (), "me") == ((), None, ())


def test_an_archive_that_lacks_what_was_noted_is_an_alarm(records: tuple[Record, ...]) -> None:
    note = Note.of("me", records[-1])
    for kept in ((), (records[0]._replace(sequence=3),)):
        resumed = resume(note, kept, "me")
        assert (resumed.untold, resumed.before) == ((), records[-1].after)
        assert [found.kind for found in resumed.findings] == [Kind.ARCHIVE]


def test_another_machine_goes_on_from_the_note(tmp_path: Path, records: tuple[Record, ...]) -> None:
    note = Note.of("other", records[-1])
    assert resume(note, (), "me") == ((), records[-1].after, ())
    assert resume(note, records[:1], "me") == ((), records[-1].after, ()), "ours is behind"
    folder = tmp_path / "mine"
    folder.mkdir()
    archive, log = open_archive(folder), a_log()
    mine = carry(archive, log, records[-1].after, 1)
    archive.close()
    assert resume(note, (mine,), "me") == ((mine,), mine.after, ()), "a crash came before the note"


def settled(difference: int) -> Balance:
    return Balance(difference, difference)


@given(st.integers(0, 99), st.integers(0, 99))
def test_the_first_difference_is_taken_as_given_once_it_is_seen_twice(
    created: int, stored: int
) -> None:
    first, nothing = balance(None, created, stored)
    assert nothing is None
    second, nothing = balance(first, created, stored)
    assert nothing is None
    assert second == settled(created - stored)
    assert balance(second, created, stored) == (second, None)


def test_what_is_under_way_is_no_difference() -> None:
    now, found = balance(settled(0), 5, 4)
    assert found is None
    assert balance(now, 5, 5) == (settled(0)._replace(seen=0), None)


@pytest.mark.parametrize(
    ("created", "stored", "word"), [(9, 7, "no stored key"), (7, 9, "no device's log")]
)
def test_a_difference_that_stays_is_told_once(created: int, stored: int, word: str) -> None:
    now, found = balance(settled(0), created, stored)
    assert found is None
    now, found = balance(now, created, stored)
    assert found is not None
    assert found.kind is Kind.UNACCOUNTED
    assert word in found.what
    assert "2" in found.what
    assert balance(now, created, stored) == (now, None)


@given(st.builds(Balance, st.none() | st.integers(), st.integers()))
def test_a_balance_is_read_as_it_was_written(one: Balance) -> None:
    assert Balance.parse(one.format()) == one
