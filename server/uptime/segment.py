"""A segment: one client's days, exactly and small.

A day has 1,440 minutes, most of them wholly good or without requests. A segment keeps one bit for
each, whether it had enough requests to speak for itself; the few minutes in which something went
wrong with their exact counts; and the sums of each day. Nothing that a figure needs is lost. A
month's segment is the same for all its days: bits side by side.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from server.journal.canonical import MalformedError, canonical, exactly, member, octets

DAY_MINUTES = 1440
DAY_OCTETS = DAY_MINUTES // 8
ALL = 0
"""In the place of a Client ID: everybody together, without those that are left out of totals."""

PROBES = -1
"""In the place of a Client ID: what probers found."""

_EPOCH = date(1970, 1, 1)
_MEMBERS = frozenset(
    {"client", "day", "min_requests", "good", "bad", "excluded", "seen", "exceptions"}
)
_EXCEPTION = 3
_MOST = 1 << 53


class Exceptional(NamedTuple):
    """A minute since the epoch in which something went wrong, with what was counted in it."""

    minute: int
    good: int
    bad: int


class DaySums(NamedTuple):
    """What was counted on a day. min_requests: with fewer, a minute did not speak for itself."""

    good: int
    bad: int
    excluded: int
    min_requests: int


class Stretch(NamedTuple):
    """What a figure needs of a segment: its bits as octets, 180 a day, and its exceptions."""

    client_id: int
    first_day: int
    seen: bytes
    exceptions: tuple[Exceptional, ...]


class Segment(NamedTuple):
    """Some days of one client. first_day: since the epoch; days: None where nothing was counted.

    seen: bit n says whether minute n since the first day's midnight had enough requests.
    exceptions: in order; a minute with too few requests is among them when something went wrong.
    """

    client_id: int
    first_day: int
    days: tuple[DaySums | None, ...]
    seen: int
    exceptions: tuple[Exceptional, ...]

    @property
    def first(self) -> int:
        """Its first minute since the epoch."""
        return self.first_day * DAY_MINUTES

    @property
    def minutes(self) -> int:
        """How many it has."""
        return len(self.days) * DAY_MINUTES

    @property
    def stretch(self) -> Stretch:
        """What a figure needs of it."""
        seen = self.seen.to_bytes(self.minutes // 8, "little")
        return Stretch(self.client_id, self.first_day, seen, self.exceptions)

    def day(self, day: int) -> "Segment | None":
        """Return one of its days as a segment of its own; None when nothing was counted then."""
        at = day - self.first_day
        if not 0 <= at < len(self.days) or self.days[at] is None:
            return None
        seen = self.seen >> at * DAY_MINUTES & _WHOLE_DAY
        first = day * DAY_MINUTES
        found = (one for one in self.exceptions if first <= one.minute < first + DAY_MINUTES)
        return Segment(self.client_id, day, (self.days[at],), seen, tuple(found))

    def to_json(self) -> dict[str, Any]:
        """Return a segment of one day as it is exported; `of_json` is the inverse."""
        (sums,) = self.days
        if sums is None:
            raise ValueError("nothing was counted on this day")
        return {
            "client": self.client_id,
            "day": day_name(self.first_day),
            **sums._asdict(),
            "seen": self.seen.to_bytes(DAY_OCTETS, "little").hex(),
            "exceptions": [list(one) for one in self.exceptions],
        }

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> "Segment":
        """Read an exported segment of one day. MalformedError."""
        exactly(value, _MEMBERS)
        day = parse_day(member(value, "day", str))
        numbers = [member(value, name, int) for name in DaySums._fields]
        if min(numbers) < 0 or max(numbers) >= _MOST:
            raise MalformedError("a count is below zero, or beyond all counting")
        first = day * DAY_MINUTES
        exceptions = [_exceptional(one, first) for one in member(value, "exceptions", list)]
        if any(one.minute >= other.minute for one, other in pairwise(exceptions)):
            raise MalformedError("exceptional minutes are not in order")
        return cls(
            member(value, "client", int),
            day,
            (DaySums(*numbers),),
            int.from_bytes(octets(value, "seen", DAY_OCTETS), "little"),
            tuple(exceptions),
        )

    def digest(self) -> bytes:
        """Return what a day's entry in the ledger commits to."""
        return hashlib.sha256(canonical(self.to_json())).digest()


_WHOLE_DAY = (1 << DAY_MINUTES) - 1


def root_of(segments: Iterable[Segment]) -> bytes:
    """Return one digest of all segments of a day, whatever their order."""
    return root_of_digests({one.client_id: one.digest() for one in segments})


def root_of_digests(digests: Mapping[int, bytes]) -> bytes:
    """Return the same of the segments' digests by client.

    Whose each is belongs to it: nobody can put a client's digest under another's number, and then
    say that nothing was counted of the client.
    """
    named = [[client, digest.hex()] for client, digest in sorted(digests.items())]
    return hashlib.sha256(canonical(named)).digest()


def join(segments: Sequence[Segment], first_day: int, days: int) -> Segment:
    """Return one client's segments, which do not overlap, as one of `days` days."""
    sums: list[DaySums | None] = [None] * days
    seen = 0
    exceptions: list[Exceptional] = []
    for one in sorted(segments, key=lambda one: one.first_day):
        at = one.first_day - first_day
        sums[at : at + len(one.days)] = one.days
        seen |= one.seen << at * DAY_MINUTES
        exceptions += one.exceptions
    return Segment(segments[0].client_id, first_day, tuple(sums), seen, tuple(exceptions))


def pack_bits(bits: int, minutes: int) -> bytes:
    """Return bits as few octets; `unpack_bits` is the inverse.

    Only what becomes much smaller is compressed: runs do, and are read back in a microsecond.
    """
    plain = bits.to_bytes(minutes // 8, "little")
    small = zlib.compress(plain, 9)
    return b"z" + small if len(small) < len(plain) // 2 else b"p" + plain


def unpack_bits(packed: bytes) -> bytes:
    """Return packed bits as octets, the first minute in the lowest bit. MalformedError."""
    if packed[:1] == b"p":
        return packed[1:]
    try:
        return zlib.decompress(packed[1:])
    except zlib.error:
        raise MalformedError("the bits of a segment in the store are damaged") from None


def day_name(day: int) -> str:
    """Return a day since the epoch like 2026-10-03."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def parse_day(text: str) -> int:
    """Read what `day_name` wrote. MalformedError."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise MalformedError("a day is not written like 2026-10-03") from None
    if found.isoformat() != text:
        raise MalformedError("a day is not written like 2026-10-03")
    return (found - _EPOCH).days


def month_of(day: int) -> tuple[int, int]:
    """Return the first day of a day's month since the epoch, and how many days it has."""
    found = _EPOCH + timedelta(days=day)
    first = found.replace(day=1)
    beyond = (first + timedelta(days=31)).replace(day=1)
    return (first - _EPOCH).days, (beyond - first).days


def _exceptional(value: object, first: int) -> Exceptional:
    if not isinstance(value, list) or len(value) != _EXCEPTION:
        raise MalformedError("an exceptional minute is a minute and two counts")
    if any(type(one) is not int for one in value):
        raise MalformedError("an exceptional minute is a minute and two counts")
    found = Exceptional(*value)
    within = first <= found.minute < first + DAY_MINUTES
    if not within or found.good < 0 or found.bad < 1 or max(found.good, found.bad) >= _MOST:
        raise MalformedError("an exceptional minute is not of its day, or nothing went wrong in it")
    return found
