"""Data keys as they are stored: their states, their value, the rings they become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.data_keys import DataKey, DataKeyError, DataKeys, KeyState, unwrapped
from hsm.keyfile import SealingKey
from hsm.rings import Purpose

SEALING = [SealingKey.of(bytes([number]) * 32) for number in range(4)]


def prepared(number: int, purpose: Purpose = Purpose.OTP) -> DataKey:
    return DataKey(SEALING[number].key_id, purpose, KeyState.PREPARED, 0x0201, b"wrapped")


def test_a_key_goes_through_its_states_and_its_successor_takes_its_place() -> None:
    keys = DataKeys().with_new(prepared(0)).activated(SEALING[0].key_id)
    keys = keys.with_new(prepared(1))
    assert [key.state for key in keys.keys] == [KeyState.ACTIVE, KeyState.PREPARED]
    keys = keys.activated(SEALING[1].key_id)
    assert [key.state for key in keys.keys] == [KeyState.RETIRED, KeyState.ACTIVE]
    keys = keys.destroyed(SEALING[0].key_id)
    assert keys.keys[0].wrapped == b""
    assert [key.name for key in keys.usable] == [SEALING[1].key_id.hex()]


@pytest.mark.parametrize("before", KeyState)
@pytest.mark.parametrize("after", KeyState)
def test_only_legal_steps_are_taken(before: KeyState, after: KeyState) -> None:
    legal = {
        ("prepared", "active"),
        ("prepared", "destroyed"),
        ("active", "retired"),
        ("retired", "destroyed"),
    }
    keys = DataKeys((prepared(0)._replace(state=before),))
    if (before.value, after.value) in legal:
        assert keys.moved(SEALING[0].key_id, after).keys[0].state is after
    else:
        with pytest.raises(DataKeyError, match="cannot become"):
            keys.moved(SEALING[0].key_id, after)


def test_what_is_not_new_is_not_added() -> None:
    keys = DataKeys().with_new(prepared(0))
    for odd in (prepared(0), prepared(1)._replace(state=KeyState.ACTIVE)):
        with pytest.raises(DataKeyError, match="not a new one"):
            keys.with_new(odd)
    with pytest.raises(DataKeyError, match="has no data key"):
        keys.activated(SEALING[1].key_id)


def test_an_active_key_of_one_purpose_leaves_the_other_purpose_alone() -> None:
    keys = DataKeys().with_new(prepared(0)).with_new(prepared(1, Purpose.SECRETS))
    keys = keys.activated(SEALING[0].key_id).activated(SEALING[1].key_id)
    rings = unwrapped(keys, lambda key: next(one for one in SEALING if one.key_id == key.key_id))
    assert (rings.otp.keys, rings.secrets.keys) == ((SEALING[0],), (SEALING[1],))


def test_the_stored_form_stays() -> None:
    keys = DataKeys().with_new(prepared(0))
    name = SEALING[0].key_id.hex()
    row = (
        f'"id":"{name}","purpose":"otp","state":"prepared","wrapped_by":513,'
        '"wrapped":"d3JhcHBlZA=="'
    )
    assert keys.encode() == f'{{"format":1,"keys":[{{{row}}}]}}'


def test_data_keys_come_back_as_they_were() -> None:
    keys = DataKeys().with_new(prepared(0)).with_new(prepared(1, Purpose.SECRETS))
    keys = keys.activated(SEALING[0].key_id).with_new(prepared(2)).destroyed(SEALING[2].key_id)
    assert DataKeys.decode(keys.encode()) == keys


@given(st.text(max_size=40) | st.just('{"format":1,"keys":[{}]}') | st.just("[" * 100_000))
def test_a_damaged_value_is_refused_in_words(text: str) -> None:
    with pytest.raises(DataKeyError, match="damaged"):
        DataKeys.decode(text)


def test_two_active_keys_of_one_purpose_are_damage() -> None:
    keys = DataKeys(
        tuple(prepared(number)._replace(state=KeyState.ACTIVE) for number in (0, 1))
    ).encode()
    with pytest.raises(DataKeyError, match="damaged"):
        DataKeys.decode(keys)
    doubled = DataKeys((prepared(0), prepared(0))).encode()
    with pytest.raises(DataKeyError, match="damaged"):
        DataKeys.decode(doubled)


def test_a_newer_form_is_named() -> None:
    with pytest.raises(DataKeyError, match="newer"):
        DataKeys.decode('{"format":2,"keys":[]}')


def test_rotations_without_end_forget_the_names_of_the_oldest_keys_only() -> None:
    keys = DataKeys()
    for number in range(100):
        fresh = SealingKey.of(number.to_bytes(32, "big"))
        before = keys.active(Purpose.OTP)
        keys = keys.with_new(prepared(0)._replace(key_id=fresh.key_id)).activated(fresh.key_id)
        keys = keys if before is None else keys.destroyed(before.key_id)
    assert len(keys.keys) == 64
    assert [key.key_id for key in keys.usable] == [fresh.key_id]


def test_keys_that_open_something_are_never_forgotten_for_room() -> None:
    keys = DataKeys()
    for number in range(64):
        fresh = SealingKey.of(number.to_bytes(32, "big"))
        keys = keys.with_new(prepared(0)._replace(key_id=fresh.key_id))
    with pytest.raises(DataKeyError, match="at most 64"):
        keys.with_new(prepared(1)._replace(key_id=b"more"))
