"""A map that never grows past its limit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.otp.bounded_map import BoundedMap


def test_a_limit_must_leave_room_for_something() -> None:
    with pytest.raises(ValueError, match="0 entries"):
        BoundedMap(0)


@settings(deadline=None)
@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("gpd"), st.integers(0, 8))))
def test_it_holds_the_most_recently_used_and_no_more(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    bounded: BoundedMap[int, str] = BoundedMap(limit)
    used: list[int] = []  # the model: keys by last use
    for step, key in steps:
        if step == "g":
            assert bounded.get(key) == (str(key) if key in used else None)
            if key not in used:
                continue
        if key in used:
            used.remove(key)
        if step == "d":
            bounded.drop(key)
            continue
        if step == "p":
            bounded.put(key, str(key))
        used.append(key)
        del used[:-limit]
        assert len(bounded) == len(used)
    assert {key for key in range(9) if bounded.get(key)} == set(used)
