"""The format of a counter journal's segment: records, each with a number and a check sum.

A segment is one HEADER, any number of ACCEPTED and at most one END or NEXT. All integers are big
endian:

    record   = length of payload (4) | CRC-32 of payload (4) | payload
    payload  = kind (1) | number (8) | body
    HEADER   : body is JSON (`Header`); number: that of the segment's first entry
    ACCEPTED : body = time in microseconds (8) | entries; number: that of its first entry
    entry    = public id, padded with NUL (16) | session (2) | use (1) | 0 (1) | clock (4)
    END      : no body; number: that of the entry that would come next
    NEXT     : the same, and another segment follows: without it something is missing

A record is one batch. Entries are numbered over all segments of a node, from 1 and without gaps,
so a segment that is missing shows.
"""

import enum
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import BinaryIO, NamedTuple, Self

from server.otp.ports import MAX_BATCH

FORMAT = 1
FIRST = 1
"""The number of a node's very first entry."""

ENTRY = "16sHBxI"
ENTRY_OCTETS = struct.calcsize(f">{ENTRY}")
_FIELDS = 4
MAX_PAYLOAD = 1 << 20
_PREFIX = struct.Struct(">II")
_HEAD = struct.Struct(">BQ")
_TIME = struct.Struct(">Q")
_ENTRY = struct.Struct(f">{ENTRY}")


class Kind(enum.IntEnum):
    """What a record is."""

    HEADER = 1
    ACCEPTED = 2
    END = 3
    NEXT = 4


class Header(NamedTuple):
    """How a segment begins.

    node: who writes; store, epoch: into whose counters; first: number of its first entry; boot:
    which start of the machine it was written in, "" when that cannot be told; continues: all
    that the node wrote before is known to be in its earlier segments; peers: nodes that the
    store knew when the segment was begun; opened_us: when that was; file: which file it was
    written to, so that a copy can be told from it.
    """

    node: str
    store: str
    epoch: str
    first: int
    boot: str
    continues: bool
    peers: tuple[str, ...]
    opened_us: int
    file: str

    def encode(self) -> bytes:
        """Return the record; `decode` reads its body."""
        body = json.dumps({"format": FORMAT, **self._asdict()}, separators=(",", ":")).encode()
        return record(Kind.HEADER, self.first, body)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a header's body; ValueError when it is none of this format."""
        try:
            value = json.loads(body)
            if value.pop("format") != FORMAT:
                raise ValueError("the segment has a format that this program does not know")
            header = cls(**value)
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError("not a segment's header") from error
        texts = (header.node, header.store, header.epoch, header.boot, header.file)
        if not all(isinstance(text, str) for text in (*texts, *header.peers)):
            raise ValueError("not a segment's header")
        numbers = (header.first, header.opened_us)
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError("not a segment's header")
        return header._replace(peers=tuple(header.peers), continues=bool(header.continues))


class Accepted(NamedTuple):
    """One OTP that was accepted: the counters of its key from then on. time_us: when."""

    public_id: str
    session: int
    use: int
    clock: int
    time_us: int


class Record(NamedTuple):
    """A whole record as read."""

    kind: Kind
    number: int
    body: bytes


class DamagedError(ValueError):
    """From here on the segment is cut off or altered."""


def record(kind: Kind, number: int, body: bytes = b"") -> bytes:
    """Return a record's octets."""
    payload = _HEAD.pack(kind, number) + body
    return _PREFIX.pack(len(payload), zlib.crc32(payload)) + payload


def accepted_record(number: int, time_us: int, fields: Sequence[bytes | int]) -> bytes:
    """Return the record of one batch. fields: public id, session, use, clock of each in turn."""
    payload = _batch(len(fields) // _FIELDS).pack(Kind.ACCEPTED, number, time_us, *fields)
    return _PREFIX.pack(len(payload), zlib.crc32(payload)) + payload


@lru_cache(maxsize=MAX_BATCH)
def _batch(entries: int) -> struct.Struct:
    return struct.Struct(f">BQQ{ENTRY * entries}")


def read_records(stream: BinaryIO) -> Iterator[Record]:
    """Yield records until the stream ends; DamagedError where it is cut off or altered."""
    while prefix := stream.read(_PREFIX.size):
        if len(prefix) < _PREFIX.size:
            raise DamagedError("cut off")
        length, check = _PREFIX.unpack(prefix)
        if not _HEAD.size <= length <= MAX_PAYLOAD:
            raise DamagedError("altered")
        payload = stream.read(length)
        if len(payload) < length:
            raise DamagedError("cut off")
        if zlib.crc32(payload) != check:
            raise DamagedError("altered")
        kind, number = _HEAD.unpack_from(payload)
        try:
            yield Record(Kind(kind), number, payload[_HEAD.size :])
        except ValueError:
            raise DamagedError("altered") from None


def is_torn(rest: bytes, number: int) -> bool:
    """Whether these last octets of a segment are the beginning of record `number`, and only that.

    So ends a file whose process was killed within a write: nothing of it left as an OK. All else
    was altered afterwards, and may hide records that did.
    """
    if not rest or len(rest) >= _LARGEST or _hides_record(rest):
        return False
    if len(rest) >= _PREFIX.size + _HEAD.size:
        heads = {_HEAD.pack(one, number) for one in (Kind.ACCEPTED, Kind.END, Kind.NEXT)}
        return rest[_PREFIX.size : _PREFIX.size + _HEAD.size] in heads
    return True


def is_torn_header(octets: bytes) -> bool:
    """Whether a file holds the beginning of a header, or nothing: no entry was ever in it."""
    if len(octets) >= _LARGEST or _hides_record(octets):
        return False
    return octets[_PREFIX.size : _PREFIX.size + 1] in {b"", bytes([Kind.HEADER])}


_LARGEST = 64 * 1024
"""More than the largest batch and the largest header take."""


def _hides_record(octets: bytes) -> bool:
    """Whether there is a whole record in octets that begin with none."""
    if len(octets) < _PREFIX.size:
        return False
    length, check = _PREFIX.unpack_from(octets)
    if not _HEAD.size <= length <= MAX_PAYLOAD or _PREFIX.size + length <= len(octets):
        return True  # altered: a write that was cut off leaves a length beyond the end
    payload = octets[_PREFIX.size :]
    batches = range(_HEAD.size + _TIME.size + ENTRY_OCTETS, len(payload) + 1, ENTRY_OCTETS)
    if any(zlib.crc32(payload[:one]) == check for one in (_HEAD.size, *batches)):
        return True  # the length alone was altered
    last = len(octets) - _PREFIX.size - _HEAD.size
    return any(_is_record(octets, at) for at in range(1, last + 1))


def _is_record(octets: bytes, at: int) -> bool:
    length, check = _PREFIX.unpack_from(octets, at)
    start = at + _PREFIX.size
    if length < _HEAD.size or start + length > len(octets):
        return False
    return bool(zlib.crc32(octets[start : start + length]) == check)


def entries_in(found: Record) -> int:
    """Return how many entries an ACCEPTED record holds; DamagedError for no whole number."""
    count, rest = divmod(len(found.body) - _TIME.size, ENTRY_OCTETS)
    if rest or count < 1:
        raise DamagedError("altered")
    return count


def decode_accepted(found: Record) -> list[Accepted]:
    """Return the entries of an ACCEPTED record, in order."""
    entries_in(found)
    (time_us,) = _TIME.unpack_from(found.body)
    return [
        Accepted(public_id.rstrip(b"\0").decode("ascii", "replace"), session, use, clock, time_us)
        for public_id, session, use, clock in _ENTRY.iter_unpack(found.body[_TIME.size :])
    ]
