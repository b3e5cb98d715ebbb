"""A log followed from read to read: whatever is changed, left out or put in is found."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.audit.chain import Followed, Position, follow
from hsm.audit.entry import NUMBERS, Entry, LogRead
from hsm.audit.finding import Finding, Kind
from hsm.emulator.objects.auditlog import AuditLog
from tests.hsm.audit.logs import CREATED, a_log, emptied, read


def kinds(followed: Followed) -> list[Kind]:
    return [found.kind for found in followed.findings]


def test_a_log_from_its_reset_on_is_whole() -> None:
    log = a_log(7)
    followed = follow(None, read(log))
    assert followed.findings == ()
    assert len(followed.new.entries) == 9
    last = followed.new.entries[-1]
    assert followed.position == Position(last.number, last.digest)


def test_a_log_that_is_taken_up_later_says_so() -> None:
    log = a_log(7)
    emptied(log)
    log.note(CREATED, 8)
    followed = follow(None, read(log))
    assert kinds(followed) == [Kind.BEGAN_LATE]
    assert len(followed.new.entries) == 1


def test_an_empty_log_tells_nothing() -> None:
    assert follow(None, LogRead(0, 0, ())) == Followed(LogRead(0, 0, ()), (), None)
    last = Position(7, bytes(16))
    assert follow(last, LogRead(0, 0, ())) == Followed(LogRead(0, 0, ()), (), last)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=12))
def test_every_entry_is_new_once_however_often_it_is_read(
    turns: list[tuple[int, bool]],
) -> None:
    log, position = a_log(), None
    seen: list[Entry] = []
    written = 2
    for count, forgets in turns:
        for _ in range(count):
            if not log.full:
                log.note(CREATED, 0)
                written += 1
        followed = follow(position, read(log))
        assert followed.findings == ()
        seen += followed.new.entries
        position = followed.position
        if forgets and len(log):
            log.forget(read(log).entries[-1].number)
    followed = follow(position, read(log))
    numbers = [entry.number for entry in (*seen, *followed.new.entries)]
    assert numbers == list(range(1, written + 1))


Change = Callable[[tuple[Entry, ...], int], tuple[Entry, ...]]


def _edit(entries: tuple[Entry, ...], at: int) -> tuple[Entry, ...]:
    edited = entries[at]._replace(session_key=entries[at].session_key ^ 1)
    return (*entries[:at], edited, *entries[at + 1 :])


def _edit_and_sign(entries: tuple[Entry, ...], at: int) -> tuple[Entry, ...]:
    """Edit an entry and give it the digest that fits: then the next one does not."""
    edited = entries[at]._replace(target=entries[at].target ^ 1)
    before = entries[at - 1].digest
    fitting = hashlib.sha256(edited.data + before).digest()[:16]
    return (*entries[:at], edited._replace(digest=fitting), *entries[at + 1 :])


def _delete(entries: tuple[Entry, ...], at: int) -> tuple[Entry, ...]:
    return entries[:at] + entries[at + 1 :]


def _delete_and_renumber(entries: tuple[Entry, ...], at: int) -> tuple[Entry, ...]:
    later = (one._replace(number=(one.number - 1) % NUMBERS) for one in entries[at + 1 :])
    return (*entries[:at], *later)


def _swap(entries: tuple[Entry, ...], at: int) -> tuple[Entry, ...]:
    return (*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :])


def _insert(entries: tuple[Entry, ...], at: int) -> tuple[Entry, ...]:
    return (*entries[:at], entries[at], *entries[at:])


@pytest.mark.parametrize(
    "change", [_edit, _edit_and_sign, _delete, _delete_and_renumber, _swap, _insert]
)
@given(length=st.integers(3, 40), place=st.floats(0, 1), start=st.integers(0, NUMBERS - 1))
def test_whatever_is_changed_within_a_log_is_found(
    change: Change, length: int, place: float, start: int
) -> None:
    log = a_log()
    emptied(log)
    log._last = log._last.__class__(start, log._last.data, log._last.digest)
    before = Position(start, log._last.digest)
    for tick in range(length):
        log.note(CREATED, tick)
    whole = read(log)
    assert follow(before, whole).findings == ()
    at = round(place * (length - 2))
    changed = (
        change(whole.entries, at)
        if change is not _edit_and_sign
        else change(whole.entries, max(at, 1))
    )
    found = follow(before, whole._replace(entries=changed)).findings
    assert any(one.kind in {Kind.BREAK, Kind.GAP} for one in found)


@given(st.integers(1, 20), st.integers(1, 10))
def test_a_log_that_lost_its_beginning_has_a_gap(kept: int, lost: int) -> None:
    log = a_log()
    position = follow(None, emptied(log)).position
    for tick in range(kept + lost):
        log.note(CREATED, tick)
    whole = read(log)
    followed = follow(position, whole._replace(entries=whole.entries[lost:]))
    assert kinds(followed) == [Kind.GAP]
    assert len(followed.new.entries) == kept


def test_what_was_cut_off_at_the_end_comes_with_the_next_read() -> None:
    log = a_log(5)
    whole = read(log)
    first = follow(None, whole._replace(entries=whole.entries[:4]))
    second = follow(first.position, whole)
    assert second.findings == ()
    assert first.new.entries + second.new.entries == whole.entries


def test_numbers_begin_again_after_sixteen_bits() -> None:
    log = a_log()
    emptied(log)
    last = log._last.__class__(NUMBERS - 2, log._last.data, log._last.digest)
    log._last = last
    for tick in range(4):
        log.note(CREATED, tick)
    followed = follow(Position(NUMBERS - 2, last.digest), read(log))
    assert followed.findings == ()
    assert [entry.number for entry in followed.new.entries] == [NUMBERS - 1, 0, 1, 2]
    again = follow(followed.position, read(log))
    assert (again.findings, again.new.entries) == ((), ())


def test_an_entry_that_was_read_before_and_is_another_now_is_a_break() -> None:
    log = a_log(5)
    position = follow(None, read(log)).position
    assert position is not None
    forged = read(a_log(6))
    followed = follow(position._replace(), forged._replace(entries=forged.entries[1:]))
    assert kinds(followed) == [Kind.BREAK]
    assert followed.new.entries == forged.entries[1:]


def test_an_old_state_that_was_put_back_is_told() -> None:
    log = a_log(3)
    emptied(log)
    old = log.saved()
    for tick in range(10):
        log.note(CREATED, tick)
    position = follow(None, emptied(log)).position
    log.restore(*old, 0, 0)
    log.note(CREATED, 99)
    followed = follow(position, read(log))
    assert kinds(followed) == [Kind.WENT_BACK]
    assert "an older state" in followed.findings[0].what
    assert len(followed.new.entries) == 1


def test_a_reset_is_told_and_what_follows_it_is_followed() -> None:
    log = a_log(3)
    position = follow(None, read(log)).position
    log.reset()
    log.boot(forced=False)
    followed = follow(position, read(log))
    assert kinds(followed) == [Kind.RESET]
    assert len(followed.new.entries) == 2
    log.note(CREATED, 1)
    assert follow(followed.position, read(log)).findings == ()


def test_what_a_full_log_had_no_room_for_is_told_once() -> None:
    log = a_log(60)
    log.boot(forced=True)
    log.unlogged_sessions += 2
    first = follow(None, read(log))
    assert [(one.kind, one.what[:25]) for one in first.findings] == [
        (Kind.UNLOGGED_BOOTS, "the device started 1 time"),
        (Kind.UNLOGGED_AUTHENTICATIONS, "2 sessions began while th"),
    ]
    assert (first.new.boots, first.new.authentications) == (1, 2)
    again = follow(first.position, read(log))
    assert (again.findings, again.new) == ((), LogRead(0, 0, ()))
    log.boot(forced=True)
    more = follow(again.position, read(log))
    assert [found.kind for found in more.findings] == [Kind.UNLOGGED_BOOTS]
    assert more.new == LogRead(1, 0, ())
    _fill_anew(log)
    later = follow(more.position, read(log))
    assert later.new.boots == 1, "the device counts from nothing once its log was emptied"


def _fill_anew(log: AuditLog) -> None:
    emptied(log)
    for tick in range(62):
        log.note(CREATED, tick)
    log.boot(forced=True)


def test_following_what_was_new_finds_the_same_again() -> None:
    log = a_log(60)
    log.boot(forced=True)
    first = follow(None, read(log))
    assert follow(None, first.new).findings == first.findings
    log.forget(40)
    log.note(CREATED, 1)
    second = follow(first.position, read(log))
    before = first.position
    assert before is not None
    bare = before._replace(boots=0, authentications=0)
    assert follow(bare, second.new).findings == second.findings


def test_only_what_is_expected_is_no_alarm() -> None:
    quiet = {kind for kind in Kind if not Finding(kind, None, "").is_alarm}
    assert quiet == {Kind.BEGAN_LATE, Kind.BOOT, Kind.CEREMONY}
