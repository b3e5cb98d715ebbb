import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.virtual_yubikey.tlv import BadTlv, fields, items, tlv

TAGS = st.one_of(st.sampled_from([0x53, 0x7C, 0x5C, 0xC4]), st.sampled_from([0x7F49, 0x5F49]))


@given(st.lists(st.tuples(TAGS, st.binary(max_size=300))))
def test_what_was_encoded_is_read_again(pairs: list[tuple[int, bytes]]) -> None:
    assert list(items(b"".join(tlv(tag, value) for tag, value in pairs))) == pairs


@given(st.binary(max_size=40))
def test_whatever_bytes_are_read_or_refused(encoded: bytes) -> None:
    try:
        read = list(items(encoded))
    except BadTlv:
        return
    assert sum(len(value) for _, value in read) <= len(encoded)


@pytest.mark.parametrize("cut", ["7F", "53", "5305AA", "5381", "5382FF", "5383000000"])
def test_what_is_cut_short_is_refused(cut: str) -> None:
    with pytest.raises(BadTlv):
        fields(bytes.fromhex(cut))
