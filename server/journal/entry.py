"""An entry: one deed at its place in the chain. Its JSON is what is hashed, stored and exported.

The hash is SHA-256 over the canonical JSON (RFC 8785) of the entry without "hash". It covers
"previous", the hash of the entry before, and so everything that was ever written before it.
"""

import hashlib
from typing import Any, NamedTuple, Self

from server.journal.acts import Act, Actor, Deed, Subject
from server.journal.canonical import (
    HASH_OCTETS,
    MalformedError,
    canonical,
    exactly,
    member,
    octets,
    parse_object,
)
from server.journal.moments import format_moment, parse_moment

TYPE = "entry"
_VERSION = 1
_MEMBERS = frozenset(
    {"type", "v", "sequence", "time", "actor", "action", "object", "reason", "before", "after"}
    | {"previous", "hash"}
)


class End(NamedTuple):
    """Where a chain ends: the last entry's number (0: there is none) and hash."""

    sequence: int
    hash: bytes


BEGINNING = End(0, bytes(HASH_OCTETS))
"""What the first entry follows."""


class Entry(NamedTuple):
    """One entry. sequence counts from 1; time_us: microseconds since the epoch."""

    sequence: int
    time_us: int
    deed: Deed
    previous: bytes
    hash: bytes

    @property
    def end(self) -> End:
        """Where the chain ends with this entry."""
        return End(self.sequence, self.hash)

    def content(self) -> dict[str, Any]:
        """Return everything that the hash covers."""
        act, subject, before, after = self.deed
        return {
            "type": TYPE,
            "v": _VERSION,
            "sequence": self.sequence,
            "time": format_moment(self.time_us),
            "actor": act.actor._asdict(),
            "action": act.action,
            "object": subject._asdict(),
            "reason": act.reason,
            "before": before,
            "after": after,
            "previous": self.previous.hex(),
        }

    def digest(self) -> bytes:
        """Return the hash that this content must have. MalformedError."""
        return hashlib.sha256(canonical(self.content())).digest()

    def is_whole(self) -> bool:
        """Whether its hash belongs to its content. MalformedError."""
        return self.digest() == self.hash

    def to_json(self) -> dict[str, Any]:
        """Return the entry as it is exported; `of_json` is the inverse."""
        return {**self.content(), "hash": self.hash.hex()}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        """Read an exported entry's form; whether its hash is right is another question."""
        exactly(value, _MEMBERS)
        if value["type"] != TYPE or member(value, "v", int) != _VERSION:
            raise MalformedError("not an entry of a version that is known here")
        actor, subject = member(value, "actor", dict), member(value, "object", dict)
        exactly(actor, frozenset(Actor._fields))
        exactly(subject, frozenset(Subject._fields))
        sequence = member(value, "sequence", int)
        if sequence < 1:
            raise MalformedError("entries are numbered from 1")
        act = Act(
            Actor(member(actor, "kind", str), member(actor, "name", str)),
            member(value, "action", str),
            member(value, "reason", str),
        )
        return cls(
            sequence,
            parse_moment(member(value, "time", str)),
            Deed(
                act,
                Subject(member(subject, "kind", str), member(subject, "id", str)),
                *(None if value[one] is None else member(value, one, dict) for one in _STATES),
            ),
            octets(value, "previous", HASH_OCTETS),
            octets(value, "hash", HASH_OCTETS),
        )

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read an entry from its line of an export. MalformedError."""
        return cls.of_json(parse_object(line))


_STATES = ("before", "after")


def append(end: End, deed: Deed, time_us: int) -> Entry:
    """Return the entry that follows `end`. MalformedError: a state that JSON cannot carry."""
    entry = Entry(end.sequence + 1, time_us, deed, end.hash, b"")
    return entry._replace(hash=entry.digest())
