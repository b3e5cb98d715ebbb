"""A sheet of holders: whole or not at all, and every fault with its place and what to do."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fleet import holder_file
from server.fleet.holder_file import HolderFile, read_holders
from server.fleet.holders import HolderKind
from server.sheet_cells import guard

HEAD = "serial,person,kind\r\n"
HASH = "hash:" + "ab" * 32
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp", "Zs"]),
    min_size=1,
    max_size=40,
)


def faults(found: HolderFile) -> list[tuple[int, int, str]]:
    assert not found.rows
    return [(one.line, one.column, one.name) for one in found.faults]


def test_a_sheet_as_spreadsheets_write_it_is_read() -> None:
    text = '\ufeffPerson;Kind;Serial\r\n"Berg; Anna";primary;0010000001\r\nBo;LOST;2\r\n;;\r\n'
    first, second = read_holders(text.encode()).rows
    assert (first.person, first.kind, first.serial) == ("Berg; Anna", HolderKind.PRIMARY, 10000001)
    assert (second.line, second.person, second.kind, second.serial) == (3, "Bo", "lost", 2)


def test_a_key_is_named_by_its_number_or_by_its_id_or_by_both() -> None:
    text = f"key,serial,person,kind\n{HASH},,Anna,spare\nserial:2,2,Bo,primary\n,3,Cy,lost\n"
    rows = read_holders(text.encode()).rows
    assert [(row.key_id, row.serial) for row in rows] == [(HASH, None), ("serial:2", None), ("", 3)]


def test_every_fault_is_told_with_its_line_and_column_and_nothing_is_kept() -> None:
    text = HEAD + '1,Anna,primary\n0,"two\nlines",borrowed\n,Bo,spare\n4,x\n99999999999,,lost\n'
    found = read_holders(text.encode())
    assert faults(found) == [
        (3, 1, "serial"),
        (3, 2, "person"),
        (3, 3, "kind"),
        (5, 1, "serial"),
        (6, 0, ""),
        (7, 1, "serial"),
        (7, 2, "person"),
    ]
    assert found.fault_count == 7
    assert "primary, spare or lost" in found.faults[2].said
    assert "3 belong" in found.faults[4].said


@pytest.mark.parametrize(
    ("octets", "where"),
    [
        (b"", (1, 0, "")),
        (HEAD.encode(), (1, 0, "")),
        (HEAD.encode("utf-16"), (1, 0, "")),
        (HEAD.encode() + b"1,\xff,spare\n", (2, 0, "")),
        (HEAD.encode() + b'1,"Anna,spare\n', (2, 0, "")),
        (b"person,kind\nAnna,spare\n", (1, 0, "serial")),
        (b"serial,person\n1,Anna\n", (1, 0, "kind")),
        (b"serial,person,kind,colour\n1,Anna,spare,red\n", (1, 4, "colour")),
        (b"serial,serial,person,kind\n1,1,Anna,spare\n", (1, 2, "serial")),
        (b"key,serial,person,kind\nserial:1,2,Anna,spare\n", (2, 1, "key")),
        (b"key,person,kind\nserial:x,Anna,spare\n", (2, 1, "key")),
    ],
)
def test_a_file_that_is_none_says_what_to_do(octets: bytes, where: tuple[int, int, str]) -> None:
    found = read_holders(octets)
    assert faults(found) == [where]
    assert len(found.faults[0].said) > 20


def test_a_file_has_a_size_and_faults_are_listed_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = HEAD + "x,Anna,spare\n" * 120
    found = read_holders(bad.encode())
    assert (len(found.faults), found.fault_count) == (holder_file.MAX_LISTED, 120)
    monkeypatch.setattr(holder_file, "MAX_ROWS", 2)
    three = HEAD + "1,Anna,spare\n2,Anna,spare\n3,Anna,spare\n"
    assert faults(read_holders(three.encode())) == [(4, 0, "")]
    monkeypatch.setattr(holder_file, "MAX_OCTETS", 10)
    assert faults(read_holders(three.encode())) == [(1, 0, "")]


@given(st.binary(max_size=300))
def test_any_octets_are_rows_or_faults(octets: bytes) -> None:
    found = read_holders(octets)
    assert bool(found.rows) is not bool(found.fault_count)


@given(st.text(max_size=200))
def test_any_text_below_a_head_is_rows_or_faults_within_the_file(text: str) -> None:
    octets = (HEAD + text).encode("utf-8", "surrogatepass")
    found = read_holders(octets)
    assert bool(found.rows) is not bool(found.fault_count)
    assert all(1 <= one.line <= text.count("\n") + text.count("\r") + 2 for one in found.faults)


@given(
    st.lists(
        st.tuples(st.integers(1, 2**32 - 1), names, st.sampled_from(HolderKind)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([",", ";"]),
)
def test_what_is_written_is_read_whatever_people_are_called(
    rows: list[tuple[int, str, HolderKind]], divider: str
) -> None:
    text = io.StringIO()
    sheet = csv.writer(text, delimiter=divider)
    sheet.writerow(["serial", "person", "kind"])
    for serial, person, kind in rows:
        sheet.writerow([serial, guard(person), kind])
    found = read_holders(text.getvalue().encode())
    assert found.faults == []
    read = [(row.serial, row.kind) for row in found.rows]
    assert read == [(serial, kind) for serial, _, kind in rows]
