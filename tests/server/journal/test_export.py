"""An export is verified in one pass; no octet of it can be changed, and no line be taken out."""

from hypothesis import given
from hypothesis import strategies as st

from server.journal.audit import Verdict
from server.journal.entry import End
from server.journal.export import audit_export, end_of_json, end_to_json, line_of
from tests.server.journal.chains import KEYS, a_chain, export, signed

ENTRIES = a_chain(4)
LAST = signed(ENTRIES)
LINES = export(ENTRIES, [signed(ENTRIES[:2]), LAST])
TEXT = b"".join(LINES)


def verdict(lines: list[bytes]) -> Verdict:
    return audit_export(lines, KEYS)


def first_bad(lines: list[bytes]) -> int | None:
    fault = verdict(lines).fault
    return None if fault is None else fault.sequence


def test_an_export_as_it_was_written_is_whole() -> None:
    assert verdict(LINES) == Verdict(ENTRIES[-1].end, 4, 2, None)
    assert first_bad([*LINES, b"\n"]) is None


@given(st.integers(0, len(TEXT) - 2), st.integers(1, 255))
def test_no_octet_can_be_changed(place: int, by: int) -> None:
    altered = bytearray(TEXT)
    altered[place] ^= by
    assert first_bad(bytes(altered).splitlines(keepends=True)) is not None


@given(st.integers(0, len(TEXT) - 2))
def test_no_octet_can_be_taken_out(place: int) -> None:
    assert first_bad((TEXT[:place] + TEXT[place + 1 :]).splitlines(keepends=True)) is not None


@given(st.integers(0, len(TEXT) - 2))
def test_a_file_that_was_cut_off_is_not_whole(length: int) -> None:
    assert first_bad(TEXT[:length].splitlines(keepends=True)) is not None


def test_a_line_taken_out_or_moved_is_named() -> None:
    for place in range(4):
        at = 2 + place
        assert first_bad([*LINES[:at], *LINES[at + 1 :]]) == place + 1
        assert first_bad([*LINES[:at], b"{}\n", *LINES[at + 1 :]]) == place + 1
    assert first_bad([*LINES[:3], LINES[4], LINES[3], *LINES[5:]]) == 2
    assert first_bad([*LINES[:4], LINES[3], *LINES[4:]]) == 2


def test_a_shortened_file_with_a_new_end_mark_is_found_by_its_checkpoint() -> None:
    shortened = export(ENTRIES[:2], [signed(ENTRIES[:2]), LAST])
    assert first_bad(shortened) == 3


def test_a_shortened_file_without_its_last_checkpoint_is_found_by_a_copy() -> None:
    shortened = export(ENTRIES[:2], [signed(ENTRIES[:2])])
    assert first_bad(shortened) is None
    fault = audit_export(shortened, KEYS, [LAST]).fault
    assert fault is not None
    assert fault.sequence == 3


def test_what_follows_the_end_mark_is_refused() -> None:
    for more in (LINES[-1], LINES[2], b"nonsense\n"):
        assert first_bad([*LINES, more]) == 5


def test_checkpoints_stand_before_the_entries() -> None:
    assert first_bad([LINES[0], *LINES[2:-1], LINES[1], LINES[-1]]) is not None


def test_an_empty_file_is_no_journal() -> None:
    assert first_bad([]) == 1


def test_an_end_mark_is_read_back() -> None:
    end = End(9, b"\x05" * 32)
    assert end_of_json(end_to_json(end)) == end
    assert line_of(end_to_json(end)).endswith(b"\n")
