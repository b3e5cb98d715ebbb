"""Sealed keys in a table: what comes out is what went in last, and there is always an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.otp.key_memory import MAX_RECORD, KeyMemory
from server.otp.ports import KeyRecord
from validation import modhex

PUBLIC_IDS = st.text(modhex.ALPHABET, max_size=16)
NUMBERS = st.integers(0, 2**63 - 1)


def key(public_id: str, version: int = 1, record: bytes = b"sealed") -> KeyRecord:
    return KeyRecord(public_id, version, True, 1, record)


@given(
    PUBLIC_IDS, NUMBERS, st.sampled_from(["active", "off"]), NUMBERS, st.binary(max_size=MAX_RECORD)
)
def test_a_record_comes_back_as_it_was(
    public_id: str, version: int, state: str, generation: int, record: bytes
) -> None:
    memory = KeyMemory(1)
    active = state == "active"
    held = KeyRecord(public_id, version, active, generation, record)
    memory.put(public_id, held)
    found = memory.get(public_id)
    assert found == held
    assert isinstance(found, KeyRecord)
    assert found.active is active


@given(
    st.integers(1, 5),
    st.lists(
        st.tuples(
            st.sampled_from(["put", "drop"]), st.text("cb", max_size=3), st.integers(1, 2**40)
        ),
        max_size=60,
    ),
)
def test_nothing_comes_out_that_was_not_put_in_last(
    limit: int, steps: list[tuple[str, str, int]]
) -> None:
    memory = KeyMemory(limit)
    last: dict[str, KeyRecord] = {}
    for what, public_id, version in steps:
        if what == "put":
            last[public_id] = key(public_id, version)
            memory.put(public_id, last[public_id])
            assert memory.get(public_id) == last[public_id]
        else:
            last.pop(public_id, None)
            memory.drop(public_id)
            assert memory.get(public_id) is None
        held = [name for name in last if memory.get(name) is not None]
        assert all(memory.get(name) == last[name] for name in held)
        assert len(memory) == len(held)


def test_nearly_all_keys_that_room_was_asked_for_are_held() -> None:
    memory = KeyMemory(10_000)
    names = [modhex.encode(number.to_bytes(6, "big")) for number in range(10_000)]
    for name in names:
        memory.put(name, key(name))
    held = sum(memory.get(name) is not None for name in names)
    assert held == len(memory)
    assert held > 9_500  # about 9,920; the hash is another one in every process


def test_beyond_its_room_newcomers_take_the_place_of_others() -> None:
    memory = KeyMemory(100)
    for number in range(10_000):
        name = modhex.encode(number.to_bytes(6, "big"))
        memory.put(name, key(name))
        assert memory.get(name) == key(name)
    assert 150 < len(memory) <= 208


def test_a_record_longer_than_a_place_is_not_held_and_does_not_leave_an_older_one() -> None:
    memory = KeyMemory(10)
    memory.put("cccc", key("cccc"))
    memory.put("cccc", key("cccc", 2, bytes(MAX_RECORD + 1)))
    assert memory.get("cccc") is None
    assert len(memory) == 0


def test_what_is_longer_than_a_public_id_is_never_found() -> None:
    memory = KeyMemory(10)
    name = "c" * 17
    memory.put(name, key(name))
    memory.put(name[:16], key(name[:16]))
    assert memory.get(name) is None
    assert len(memory) == 1


def test_room_for_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        KeyMemory(0)
