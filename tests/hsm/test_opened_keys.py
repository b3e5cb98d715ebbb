"""Opened keys in memory: bounded, and not emptied by whoever passes through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.opened_keys import OpenedKeys
from hsm.vault import OtpKeyBinding


def binding(number: int) -> OtpKeyBinding:
    return OtpKeyBinding(f"key{number}", 1)


def kept(keys: OpenedKeys[int], numbers: range) -> list[int]:
    return [number for number in numbers if keys.get(binding(number)) == number]


def test_while_there_is_room_every_key_stays() -> None:
    keys: OpenedKeys[int] = OpenedKeys(4)
    for number in range(4):
        keys.offer(binding(number), number)
    assert kept(keys, range(4)) == [0, 1, 2, 3]


def test_a_walk_through_many_keys_leaves_those_in_use_where_they_are() -> None:
    keys: OpenedKeys[int] = OpenedKeys(64)
    for number in range(64):
        keys.offer(binding(number), number)
    for number in range(1_000, 11_000):
        keys.offer(binding(number), number)
        assert len(keys) == 64
        for used in range(8):
            assert keys.get(binding(used)) == used
    assert len(kept(keys, range(8))) == 8


def test_a_single_round_of_others_hardly_moves_anybody() -> None:
    keys: OpenedKeys[int] = OpenedKeys(64)
    for number in range(128):
        keys.offer(binding(number), number)
    # Of 64 that passed, at most one in eight may be taken for one that came before: 40 is far off.
    assert len(kept(keys, range(64))) > 40


def test_a_key_that_comes_again_takes_the_place_of_the_one_used_longest_ago() -> None:
    keys: OpenedKeys[int] = OpenedKeys(3)
    for number in range(3):
        keys.offer(binding(number), number)
    assert keys.get(binding(0)) == 0
    keys.offer(binding(7), 7)
    keys.offer(binding(7), 7)
    assert kept(keys, range(8)) == [0, 2, 7]


def test_a_key_that_is_kept_is_replaced_at_once() -> None:
    keys: OpenedKeys[int] = OpenedKeys(1)
    keys.offer(binding(0), 0)
    keys.offer(binding(0), 9)
    assert keys.get(binding(0)) == 9


@given(st.integers(1, 5), st.lists(st.integers(0, 9), max_size=60))
def test_what_is_returned_was_offered_last_for_that_key(limit: int, offers: list[int]) -> None:
    keys: OpenedKeys[int] = OpenedKeys(limit)
    last: dict[int, int] = {}
    for time, number in enumerate(offers):
        keys.offer(binding(number), time)
        found = keys.get(binding(number))
        assert found is None or found == time
        assert len(keys) <= limit
        last[number] = time
    for number, time in last.items():
        assert keys.get(binding(number)) in {None, time}


def test_at_least_one_key_is_kept() -> None:
    with pytest.raises(ValueError, match="at least one"):
        OpenedKeys(0)
