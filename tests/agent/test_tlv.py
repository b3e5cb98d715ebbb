import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.findings import GarbageError
from agent.tlv import parse_mapping, parse_tlvs, write_tlv

tags = st.sampled_from([0x01, 0x53, 0x70, 0xC0, 0x5F52, 0x7F21, 0x7F49, 0x5FFF01])
pairs = st.tuples(tags, st.binary(max_size=300))


@given(st.lists(pairs, max_size=5))
def test_what_was_written_is_read(written: list[tuple[int, bytes]]) -> None:
    assert parse_tlvs(b"".join(write_tlv(*one) for one in written)) == written


@given(st.binary(max_size=64))
def test_any_octets_are_read_or_garbage(data: bytes) -> None:
    with contextlib.suppress(GarbageError):
        assert sum(len(value) for _tag, value in parse_tlvs(data)) <= len(data)


@given(st.lists(pairs, min_size=1, max_size=3), st.data())
def test_nothing_that_is_cut_short_is_read_whole(
    written: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    octets = b"".join(write_tlv(*one) for one in written)
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]
    with contextlib.suppress(GarbageError):
        assert len(parse_tlvs(cut)) < len(written)


def test_a_tag_that_stands_twice_is_garbage() -> None:
    with pytest.raises(GarbageError, match="twice"):
        parse_mapping(write_tlv(1, b"a") + write_tlv(1, b"b"))
