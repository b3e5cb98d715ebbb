"""Tag, length, value (BER): how most of a YubiKey's answers are put together.

The key's own, so that what a client's parser takes for right is not what the key was made with.
"""

from collections.abc import Iterator

_LONG_TAG = 0x1F  # the low bits that announce a tag of two bytes
_SHORT_LENGTH = 0x80
_ONE_BYTE = 0x100
_TWO_BYTES = 0x10000


class BadTlv(ValueError):  # noqa: N818 - the name of the fact
    """The bytes end before what they announce, or have an indefinite length."""


def tlv(tag: int, value: bytes = b"") -> bytes:
    """Encode one; tags of one byte (0x53) or two (0x7F49)."""
    return _tag(tag) + _length(len(value)) + value


def items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Return tags and values in order; raises BadTlv."""
    position = 0
    while position < len(encoded):
        tag, position = _read_tag(encoded, position)
        length, position = _read_length(encoded, position)
        if position + length > len(encoded):
            raise BadTlv("a value is longer than what is left")
        yield tag, encoded[position : position + length]
        position += length


def fields(encoded: bytes) -> dict[int, bytes]:
    """Return values by tag; the last of a tag counts. Raises BadTlv."""
    return dict(items(encoded))


def number(value: int, size: int) -> bytes:
    """Return an unsigned number, big endian."""
    return value.to_bytes(size, "big")


def _tag(tag: int) -> bytes:
    return number(tag, 1 if tag < _ONE_BYTE else 2)


def _length(length: int) -> bytes:
    if length < _SHORT_LENGTH:
        return number(length, 1)
    if length < _ONE_BYTE:
        return b"\x81" + number(length, 1)
    if length < _TWO_BYTES:
        return b"\x82" + number(length, 2)
    raise ValueError("no value of a key is that long")


def _read_tag(encoded: bytes, position: int) -> tuple[int, int]:
    size = 2 if encoded[position] & _LONG_TAG == _LONG_TAG else 1
    if position + size > len(encoded):
        raise BadTlv("a tag is cut short")
    return int.from_bytes(encoded[position : position + size], "big"), position + size


def _read_length(encoded: bytes, position: int) -> tuple[int, int]:
    if position >= len(encoded):
        raise BadTlv("a length is missing")
    first = encoded[position]
    position += 1
    if first < _SHORT_LENGTH:
        return first, position
    size = first - _SHORT_LENGTH
    if size not in (1, 2) or position + size > len(encoded):
        raise BadTlv("a length is cut short or too long")
    return int.from_bytes(encoded[position : position + size], "big"), position + size
