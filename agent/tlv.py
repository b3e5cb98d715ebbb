"""Tag, length, value: what smart cards speak (ISO 7816-4, BER with definite lengths)."""

from collections.abc import Mapping

from agent.findings import GarbageError

_LONG_TAG = 0x1F
_MORE = 0x80
_MAX_LENGTH_OCTETS = 3


def parse_tlvs(data: bytes) -> list[tuple[int, bytes]]:
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


def parse_mapping(data: bytes) -> Mapping[int, bytes]:
    """Read a sequence in which every tag stands once. GarbageError."""
    found = parse_tlvs(data)
    values = dict(found)
    if len(values) != len(found):
        raise GarbageError("a tag stands twice")
    return values


def write_tlv(tag: int, value: bytes) -> bytes:
    """Return one tag and its value."""
    length = len(value)
    if length < _MORE:
        written = bytes([length])
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        written = bytes([_MORE | len(octets)]) + octets
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big") + written + value


def _tag(data: bytes, at: int) -> tuple[int, int]:
    tag = data[at]
    at += 1
    # Yubico's own lists have numbers as tags; those that end in five ones are none of theirs.
    if tag & _LONG_TAG == _LONG_TAG:
        while True:
            if at >= len(data) or tag > 0xFFFF:  # noqa: PLR2004 - three octets at most
                raise GarbageError("a tag that is cut short")
            octet = data[at]
            at += 1
            tag = tag << 8 | octet
            if not octet & _MORE:
                break
    return tag, at


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise GarbageError("a length that is missing")
    first = data[at]
    at += 1
    if first < _MORE:
        return first, at
    octets = first & ~_MORE
    if not 0 < octets <= _MAX_LENGTH_OCTETS or at + octets > len(data):
        raise GarbageError("a length that is cut short")
    return int.from_bytes(data[at : at + octets], "big"), at + octets
