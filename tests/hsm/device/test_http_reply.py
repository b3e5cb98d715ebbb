"""A connector's reply: what is one is read, what is odd is refused, nothing is guessed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.device.http_reply import LARGEST_BODY, LARGEST_HEAD, Reply, ReplyError, StatusError

_BODIES = st.binary(max_size=LARGEST_BODY)


@given(_BODIES, st.booleans())
def test_a_reply_comes_back_as_it_was(body: bytes, keeps: bool) -> None:  # noqa: FBT001 - drawn
    reply = Reply(body, keeps)
    assert Reply.parse(reply.encode()) == reply


@given(_BODIES, st.data())
def test_a_part_of_a_reply_is_no_reply_yet(body: bytes, data: st.DataObject) -> None:
    whole = Reply(body, keeps=True).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert Reply.parse(whole[:cut]) is None


def _chunked(pieces: list[bytes]) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


_PIECES = st.lists(st.binary(min_size=1, max_size=300), max_size=10)


@given(_PIECES)
def test_chunks_are_put_together(pieces: list[bytes]) -> None:
    assert Reply.parse(_chunked(pieces)) == Reply(b"".join(pieces), keeps=True)


@given(_PIECES, st.data())
def test_some_of_the_chunks_are_no_reply_yet(pieces: list[bytes], data: st.DataObject) -> None:
    whole = _chunked(pieces)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert Reply.parse(whole[:cut]) is None


@given(st.binary(max_size=600))
def test_whatever_comes_is_read_or_refused(received: bytes) -> None:
    for octets in (received, b"HTTP/1.1 200 OK\r\n" + received, _chunked([])[:-5] + received):
        try:
            reply = Reply.parse(octets)
        except ReplyError:
            continue
        assert reply is None or len(reply.body) <= LARGEST_BODY


@given(_BODIES, st.data())
def test_one_octet_changed_never_breaks_the_reader(body: bytes, data: st.DataObject) -> None:
    whole = bytearray(Reply(body, keeps=True).encode())
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ReplyError):
        Reply.parse(bytes(whole))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n",
        b"HTTP/1.1 200 OK\r\n Content-Length: 2\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3140\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
        b"HTTP/2 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"ICY 200 OK\r\nContent-Length: 2\r\n",
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(ReplyError):
        Reply.parse(head + b"\r\nok")


@pytest.mark.parametrize("status", [b"100 Continue", b"204 No", b"301 Moved", b"400 Bad", b"500 x"])
def test_any_status_but_200_is_no_answer_of_a_device(status: bytes) -> None:
    with pytest.raises(StatusError) as caught:
        Reply.parse(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
    assert caught.value.status == int(status[:3])


@pytest.mark.parametrize(
    "chunks",
    [
        b"2;name=value\r\nok\r\n0\r\n\r\n",
        b"2\r\nokay\r\n0\r\n\r\n",
        b"-2\r\nok\r\n0\r\n\r\n",
        b"2\nok\n0\n\n......",
        b"0\r\nTrailer: 1\r\n\r\n",
        b"0\r\n\r\nmore",
        b"ffff\r\n",
    ],
)
def test_chunks_that_are_odd_are_refused(chunks: bytes) -> None:
    with pytest.raises(ReplyError):
        Reply.parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)


def test_more_than_was_announced_is_refused() -> None:
    with pytest.raises(ReplyError):
        Reply.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay")


def test_a_head_without_end_is_given_up() -> None:
    with pytest.raises(ReplyError):
        Reply.parse(b"HTTP/1.1 200 OK\r\nA: " + b"a" * LARGEST_HEAD)


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_it_says_whether_the_connection_goes_on(
    version: bytes, connection: bytes, *, keeps: bool
) -> None:
    head = b"HTTP/%b 200 OK\r\n%bContent-Length: 2\r\n\r\n" % (version, connection)
    assert Reply.parse(head + b"ok") == Reply(b"ok", keeps)
