"""A connector's HTTP reply, read strictly: what is odd is refused, for nothing may be guessed here.

Yubico's connector is a Go program: replies of up to 2,048 octets have their length in the head,
longer ones come in chunks. Nothing else of HTTP is needed, and nothing else is understood.
"""

import re
from functools import lru_cache
from typing import NamedTuple, Self

LARGEST_BODY = 3139
"""The connector's own limit; the largest message of a YubiHSM 2 has 3,136 octets."""
LARGEST_HEAD = 8192
LARGEST = LARGEST_HEAD + 4 * LARGEST_BODY
"""More octets than that are no reply: chunks of one octet each, at the worst, would be too many."""

_END_OF_HEAD = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,5}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,4})\r\n")
_OK = b"200"
_ONCE = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class ReplyError(ValueError):
    """What came is not a connector's reply. The message quotes nothing of it."""


class StatusError(ReplyError):
    """A reply, but not of a device: status says what the connector thinks of it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"its status is {status}, not 200")
        self.status = status


class Reply(NamedTuple):
    """A whole reply with status 200. keeps: the connection may be used again."""

    body: bytes
    keeps: bool

    def encode(self) -> bytes:
        """Return the octets, with the length in the head."""
        closing = b"" if self.keeps else b"Connection: close\r\n"
        return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (
            closing,
            len(self.body),
            self.body,
        )

    @classmethod
    def parse(cls, received: bytes) -> Self | None:
        """Read what has been received so far; None while it is not whole. Raises ReplyError."""
        end = received.find(_END_OF_HEAD)
        if end < 0:
            if len(received) > LARGEST_HEAD:
                raise ReplyError("its head has no end")
            return None
        length, keeps = _head(received[:end])
        start = end + len(_END_OF_HEAD)
        if length is None:
            body = _chunks(received, start)
            return None if body is None else cls(body, keeps)
        there = len(received) - start
        if there > length:
            raise ReplyError("it is longer than it says")
        return None if there < length else cls(received[start:], keeps)


@lru_cache(maxsize=8)  # the heads of one second are alike but for their lengths
def _head(head: bytes) -> tuple[int | None, bool]:
    """Return the length of the body, None if it comes in chunks, and whether to go on."""
    status, *lines = head.split(b"\r\n")
    found = _STATUS.fullmatch(status)
    if found is None:
        raise ReplyError("it does not begin as HTTP/1.1 does")
    fields = _fields(lines)
    if found[2] != _OK:
        raise StatusError(int(found[2]))
    connection = fields.get(b"connection", b"").lower()
    keeps = connection == b"keep-alive" or (found[1] == b"1" and connection != b"close")
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or coding.lower() != b"chunked":
            raise ReplyError("its length is unclear")
        return None, keeps
    if length is None or not _LENGTH.fullmatch(length):
        raise ReplyError("its length is unclear")
    if int(length) > LARGEST_BODY:
        raise ReplyError("it is longer than any message of a YubiHSM 2")
    return int(length), keeps


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    """Read the fields of a head; those that would change how it is read may come once only."""
    fields: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise ReplyError("its head has a line that is none")
        name = field[1].lower()
        if name in fields and name in _ONCE:
            raise ReplyError("its length is unclear")
        fields[name] = field[2].rstrip(b" \t")
    return fields


def _chunks(received: bytes, at: int) -> bytes | None:
    """Put the chunks together that begin at `at`; None while some are missing."""
    body = bytearray()
    while True:
        size = _CHUNK.match(received, at)
        if size is None:
            if len(received) - at > len("ffff\r\n") - 1:
                raise ReplyError("a chunk of it has no size")
            return None
        octets = int(size[1], 16)
        at = size.end()
        if len(body) + octets > LARGEST_BODY:
            raise ReplyError("it is longer than any message of a YubiHSM 2")
        if len(received) < at + octets + 2:
            return None
        body += received[at : at + octets]
        at += octets
        if received[at : at + 2] != b"\r\n":
            raise ReplyError("a chunk of it has no end")
        at += 2
        if not octets:
            break
    if at != len(received):
        raise ReplyError("it is longer than it says")
    return bytes(body)
