"""Commands to a card and its answers (ISO 7816-4, short form), and what is in them (BER)."""

from collections.abc import Sequence
from typing import NamedTuple

OK = 0x9000
_STATUS_OCTETS = 2
_LONG_TAG = 0x1F
_MORE = 0x80
_MAX_LENGTH_OCTETS = 2
_SHORT_MOST = 0xFF

SECURITY_DOMAIN = bytes.fromhex("a000000151000000")
MANAGEMENT = bytes.fromhex("a000000527471117")
PIV = bytes.fromhex("a000000308")


class GarbageError(ValueError):
    """An answer that no key gives. It says nothing about who garbled it."""


class CardAnswer(NamedTuple):
    """What came back. data: without the status word; status: the status word."""

    data: bytes
    status: int

    @classmethod
    def parse(cls, octets: bytes) -> "CardAnswer":
        """Read an answer as it came. GarbageError."""
        if len(octets) < _STATUS_OCTETS:
            raise GarbageError("an answer without a status")
        return cls(octets[:-_STATUS_OCTETS], int.from_bytes(octets[-_STATUS_OCTETS:], "big"))

    @property
    def ok(self) -> bool:
        """Whether the card did what it was asked, as far as the host tells."""
        return self.status == OK


def command(header: bytes, data: bytes = b"", most: bytes = b"\x00") -> bytes:
    """Return a command. header: class, instruction, P1, P2; most: that any answer is taken."""
    if len(data) > _SHORT_MOST:
        raise ValueError("no command here is that long")
    return header + (bytes([len(data)]) + data if data else b"") + most


def plain(header: bytes, data: bytes) -> bytes:
    """Return a command with data in the one form in which agents have it on their list."""
    return command(header, data, b"")


def select(application: bytes) -> bytes:
    """Return SELECT by name."""
    return plain(bytes.fromhex("00a40400"), application)


def tlv(tag: int, value: bytes) -> bytes:
    """Return one tag and its value, of less than 128 octets."""
    if len(value) >= _MORE:
        raise ValueError("no value here is that long")
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big") + bytes([len(value)]) + value


def read_tlvs(data: bytes) -> Sequence[tuple[int, bytes]]:
    """Read a sequence of tags and values that fills `data`. GarbageError."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        tag, at = _tag(data, at)
        length, at = _length(data, at)
        if at + length > len(data):
            raise GarbageError("a value that is cut short")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def read_mapping(data: bytes) -> dict[int, bytes]:
    """Read a sequence in which every tag stands once. GarbageError."""
    found = read_tlvs(data)
    values = dict(found)
    if len(values) != len(found):
        raise GarbageError("a tag stands twice")
    return values


def _tag(data: bytes, at: int) -> tuple[int, int]:
    tag = data[at]
    if tag & _LONG_TAG != _LONG_TAG:
        return tag, at + 1
    if at + 1 >= len(data) or data[at + 1] & _MORE:
        raise GarbageError("a tag that is cut short, or of more than two octets")
    return tag << 8 | data[at + 1], at + 2


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise GarbageError("a length that is missing")
    first, at = data[at], at + 1
    if first < _MORE:
        return first, at
    octets = first & ~_MORE
    if not 0 < octets <= _MAX_LENGTH_OCTETS or at + octets > len(data):
        raise GarbageError("a length that is cut short, or too long")
    return int.from_bytes(data[at : at + octets], "big"), at + octets
