"""Lines and cells: what is written is read back, and no spreadsheet obeys it (S15)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.moving.cells import CellError, is_record, join, split
from server.sheet_cells import guard, unguard

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

text = st.text(st.characters(exclude_characters="\r\n"), max_size=30)


@given(st.one_of(text, st.sampled_from(FORMULAS).flatmap(lambda first: text.map(first.__add__))))
@example("'=1+1")
@example("''")
@example("'")
def test_s15_free_text_comes_back_as_it_was_and_never_begins_a_formula(said: str) -> None:
    cell = guard(said)
    assert unguard(cell) == said
    assert not cell.startswith(FORMULAS)


@given(text.filter(lambda said: not said.startswith((*FORMULAS, "'"))))
def test_harmless_text_is_left_alone(said: str) -> None:
    assert guard(said) == said == unguard(said)


@given(st.lists(text, min_size=2, max_size=12))
def test_a_line_comes_back_as_its_cells(cells: list[str]) -> None:
    line = join(cells)
    assert line.endswith("\n")
    assert split(line[:-1]) == cells


@given(st.text(st.characters(exclude_characters="\n"), max_size=60))
def test_any_line_is_split_or_refused(line: str) -> None:
    try:
        cells = split(line)
    except CellError:
        cells = ["refused"]
    assert len(cells) >= 1


@pytest.mark.parametrize("line", ['1,"open', '1,"a"b,2', '"a\rb'])
def test_quotes_that_do_not_match_are_refused(line: str) -> None:
    with pytest.raises(CellError, match="quotes"):
        split(line)


def test_comments_and_empty_lines_are_no_records() -> None:
    assert [is_record(line) for line in ("", "   ", "# x", "1,2", "x#")] == [
        False,
        False,
        False,
        True,
        True,
    ]
