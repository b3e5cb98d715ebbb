"""Frames: what is sent is what arrives, however the stream is cut; the rest is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.storage.link.frames import MAX_BODY, Frame, FrameError, FrameReader, Kind

frames = st.builds(
    Frame, st.sampled_from(Kind), st.integers(0, 0xFFFF_FFFF), st.binary(max_size=100)
)


@given(st.lists(frames, max_size=8), st.data())
def test_frames_survive_any_cut_of_the_stream(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(frame.encode() for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = FrameReader()
    arrived = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        arrived += reader.feed(stream[start:end])
    assert arrived == sent
    assert not reader.incomplete


def test_a_stream_that_ends_within_a_frame_is_noticed() -> None:
    reader = FrameReader()
    assert reader.feed(Frame(Kind.PING, 1, b"x").encode()[:-1]) == []
    assert reader.incomplete


@pytest.mark.parametrize("length", [0, 4, MAX_BODY + 6, 0xFFFF_FFFF])
def test_an_impossible_length_ends_the_stream(length: int) -> None:
    with pytest.raises(FrameError, match="cannot have"):
        FrameReader().feed(length.to_bytes(4, "big"))


def test_an_unknown_kind_ends_the_stream() -> None:
    with pytest.raises(FrameError, match="kind 99"):
        FrameReader().feed(b"\0\0\0\x05\x63\0\0\0\x01")


def test_a_body_beyond_the_cap_is_not_sent() -> None:
    with pytest.raises(FrameError, match="too large"):
        Frame(Kind.ANSWER, 1, bytes(MAX_BODY + 1)).encode()


@given(st.binary(max_size=200))
def test_no_octets_do_more_than_end_the_stream(octets: bytes) -> None:
    with suppress(FrameError):
        FrameReader().feed(octets)
