"""A line of the ledger says what was recorded, and nothing else passes for one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.records import WORDS, Behaviour, Record, RecordError, digest

RECORDS = st.builds(
    Record,
    sent_us=st.integers(0, 10**17),
    took_us=st.integers(0, 10**9),
    behaviour=st.sampled_from(Behaviour),
    client_id=st.integers(0, 10**10 - 1),
    signed=st.booleans(),
    key=st.text("cbdefghijklnrtuv", max_size=16),
    counters=st.none() | st.tuples(st.integers(0, 0x7FFF), st.integers(0, 255)),
    nonce=st.text("abcdef", max_size=8).map(digest),
    code=st.integers(0, 599),
    status=st.sampled_from(sorted(WORDS)),
    genuine=st.booleans(),
)
GOOD = "1732700000000000 1234 valid 7 s cccccccbcdef 12.3 9f86d081884c7d65 200 OK +\n"


@given(RECORDS)
def test_a_record_is_the_same_after_it_was_written_and_read(record: Record) -> None:
    assert Record.parse(record.line()) == record


def test_a_line_is_as_the_documentation_shows_it() -> None:
    assert Record.parse(GOOD).line() == GOOD


@given(st.text(max_size=90))
def test_any_text_is_a_record_or_is_refused(text: str) -> None:
    with contextlib.suppress(RecordError):
        assert Record.parse(text).line() == text


@pytest.mark.parametrize(
    "line",
    [
        GOOD.rstrip("\n"),
        GOOD + "\n",
        GOOD.replace(" 7 ", " 07 "),
        GOOD.replace(" 7 ", " -7 "),
        GOOD.replace(" s ", " x "),
        GOOD.replace("12.3", "12.256"),
        GOOD.replace("12.3", "32768.3"),
        GOOD.replace("12.3", "12"),
        GOOD.replace("OK", "FINE"),
        GOOD.replace("valid", "good"),
        GOOD.replace("cccccccbcdef", "cccccccbcde!"),
        GOOD.replace("+", "?"),
        GOOD.replace("9f86", "9f"),
        "",
    ],
)
def test_a_line_with_anything_else_in_it_is_refused(line: str) -> None:
    with pytest.raises(RecordError):
        Record.parse(line)
