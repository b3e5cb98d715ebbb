"""A case that cannot be computed is refused with the place and the reason."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.incidents.availability import compute
from server.incidents.cases import CaseError, read_case, read_minutes, write_availability

PERIOD = ["2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"]
GOOD: dict[str, Any] = {
    "period": PERIOD,
    "as_of": PERIOD[1],
    "incidents": [],
    "maintenance": [],
    "unknown": [],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"period": PERIOD[::-1]}, "period: it ends before it starts"),
        ({"period": None}, "period: a start and an end"),
        ({"as_of": "2026-09-01T00:00:00"}, "as_of: .* of which zone"),
        ({"incidents": {}}, "incidents: a list"),
        ({"incidents": [7]}, r"incidents\[0\]: an object"),
        (
            {"incidents": [{"start": PERIOD[1], "end": PERIOD[0], "impact": "1"}]},
            r"incidents\[0\]: it ends before it starts",
        ),
        ({"incidents": [{"start": PERIOD[0], "end": None, "impact": "0"}]}, "more than 0"),
        ({"incidents": [{"start": PERIOD[0], "end": None, "impact": "3/2"}]}, "at most 1"),
        ({"incidents": [{"start": PERIOD[0], "end": None, "impact": "1/0"}]}, "no fraction"),
        ({"incidents": [{"start": PERIOD[0], "end": None, "impact": True}]}, "no fraction"),
        (
            {"incidents": [{"start": PERIOD[0], "end": None, "impact": "1e-999999999"}]},
            "no fraction",
        ),
        ({"unknown": [[PERIOD[1], PERIOD[0]]]}, r"unknown\[0\]: it ends before"),
        ({"maintenance": [{"start": PERIOD[1], "end": PERIOD[0]}]}, r"maintenance\[0\]: it ends"),
    ],
)
def test_bad_input_is_refused_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(CaseError, match=said):
        read_case(GOOD | change)


@pytest.mark.parametrize(
    "case",
    [
        {"slices": [{"good": -1}]},
        {"slices": [{"good": "1"}]},
        {"slices": [{"good": True}]},
        {"slices": 7},
        {"slices": [], "min_requests": 0},
        {"slices": [], "bad_slice_ratio": "2"},
        [],
    ],
)
def test_minutes_that_count_nothing_are_refused(case: object) -> None:
    with pytest.raises(CaseError):
        read_minutes(case)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(PERIOD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*GOOD, "start", "end", "impact", "announced_at"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_computed_or_refused(value: object) -> None:
    try:
        case = read_case(value)
    except CaseError:
        return
    write_availability(compute(case))


def test_unknown_spans_may_be_pairs_or_objects() -> None:
    pair = read_case(GOOD | {"unknown": [PERIOD]})
    named = read_case(GOOD | {"unknown": [{"start": PERIOD[0], "end": PERIOD[1]}]})
    assert pair == named
