"""Rings of keys on their way from process to process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.keyfile import SealingKey
from hsm.rings import KeyRing, Purpose, Rings

keys = st.binary(min_size=32, max_size=32).map(SealingKey.of)
rings = st.builds(
    Rings,
    *(st.builds(KeyRing, st.none() | keys, st.lists(keys, max_size=3).map(tuple)) for _ in Purpose),
)


@given(rings)
def test_rings_come_back_as_they_were(some: Rings) -> None:
    assert Rings.decode(some.encode()) == some


@given(st.binary(max_size=60) | st.just(b'{"otp": [true, []], "secrets": [false, []]}'))
def test_anything_else_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match="no rings"):
        Rings.decode(octets)


def test_s10_no_key_is_shown() -> None:
    key = SealingKey.of(b"a key of thirty-two octets it is")
    some = Rings.single(key)
    assert "thirty" not in repr(some)
    assert key.key.hex() not in repr(some)
    assert some.of(Purpose.SECRETS).with_others(key).keys == (key, key)
