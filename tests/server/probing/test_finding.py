"""A finding's JSON form: what was written is read again, and nothing else is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.probing.finding import (
    LATEST_US,
    MAX_SPAN_US,
    MAX_WHY,
    Finding,
    FindingError,
    Outcome,
)

_TEXT = st.text(max_size=MAX_WHY).filter(str.isprintable)
_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=3
)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    at_us = draw(st.integers(0, LATEST_US - 1))
    longest = min(MAX_SPAN_US, LATEST_US - 1 - at_us)
    return Finding(
        draw(st.integers(1, (1 << 62) - 1)),
        draw(st.sampled_from(Outcome)),
        at_us,
        at_us + draw(st.integers(0, longest)),
        draw(_TEXT),
    )


@given(findings())
def test_what_is_written_is_read_again(finding: Finding) -> None:
    assert Finding.from_json(finding.to_json()) == finding


@given(st.dictionaries(st.sampled_from([*Finding._fields, "more"]), _JSON))
def test_whatever_comes_is_a_finding_or_refused(value: dict[str, object]) -> None:
    try:
        finding = Finding.from_json(value)
    except FindingError:
        return
    assert Finding.from_json(finding.to_json()) == finding


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": True},
        {"number": 1 << 62},
        {"at_us": 2},
        {"until_us": 1 + MAX_SPAN_US + 1},
        {"until_us": 1.5},
        {"outcome": "fine"},
        {"why": "x" * (MAX_WHY + 1)},
        {"why": "a\nb"},
        {"why": None},
        {"more": 1},
    ],
)
def test_what_is_out_of_form_is_refused(change: dict[str, object]) -> None:
    value = Finding(1, Outcome.GOOD, 1, 1).to_json()
    with pytest.raises(FindingError):
        Finding.from_json({**value, **change})
