"""What binds a record to its row: another row, key or content has another MAC."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.binding import MAC_OCTETS, Binder, BindingKey, require_binding
from hsm.keyfile import SealingKey
from hsm.vault import OtpKeyBinding

_DATA_KEY = SealingKey.of(bytes(range(32)))
_KEY = BindingKey.derive(_DATA_KEY)
_ROWS = st.builds(
    OtpKeyBinding, st.text("cbdefghijklnrtuv", max_size=16), st.integers(1, 2**63 - 1)
)
_CONTENT = st.binary(min_size=43, max_size=43)


@given(_ROWS, _ROWS, _CONTENT, _CONTENT)
def test_two_things_have_the_same_mac_only_if_they_are_the_same(
    one: OtpKeyBinding, other: OtpKeyBinding, content: bytes, another: bytes
) -> None:
    binder = Binder([_KEY])
    first = binder.mac(_KEY.key_id, one, content)
    assert len(first) == MAC_OCTETS
    same = binder.mac(_KEY.key_id, other, another) == first
    assert same is ((one, content) == (other, another))


def test_the_binding_key_follows_from_the_data_key_and_is_not_it() -> None:
    assert BindingKey.derive(_DATA_KEY) == _KEY
    assert _KEY.key_id == _DATA_KEY.key_id
    assert _KEY.key != _DATA_KEY.key
    assert BindingKey.derive(SealingKey.of(bytes(32))).key != _KEY.key


def test_old_keys_go_on_and_new_records_get_the_new_one() -> None:
    new = BindingKey.derive(SealingKey.of(os.urandom(32)))
    binder = Binder([new, _KEY])
    row = OtpKeyBinding("cccc", 1)
    assert binder.active == new.key_id
    old = Binder([_KEY]).mac(_KEY.key_id, row, bytes(43))
    assert binder.mac(_KEY.key_id, row, bytes(43)) == old
    with pytest.raises(KeyError):
        Binder([_KEY]).mac(new.key_id, row, bytes(43))


@pytest.mark.parametrize(
    "keys",
    [[], [_KEY, _KEY], [BindingKey(b"id", bytes(32))], [BindingKey(b"4444", bytes(16))]],
)
def test_keys_that_are_none_are_refused(keys: list[BindingKey]) -> None:
    with pytest.raises(ValueError, match="binding key"):
        Binder(keys)


@pytest.mark.parametrize("row", [("c" * 17, 1), ("CC", 1), ("a", 1), ("c", 0), ("c", 2**63)])
def test_rows_that_are_none_are_refused(row: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match=r"modhex|generation"):
        require_binding(OtpKeyBinding(*row))


def test_no_key_is_shown() -> None:
    for shown in (repr(_KEY), repr(Binder([_KEY]))):
        assert _KEY.key_id.hex() in shown
        assert _KEY.key.hex() not in shown
        assert repr(_KEY.key) not in shown
