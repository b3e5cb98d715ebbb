"""An entry of the ledger: a digest of what happened, at its place in the chain.

Its hash is SHA-256 over the canonical JSON (RFC 8785) of the entry without "hash". The payload
stands beside the chain, which holds its digest only: SHA-256 over a salt of its own and the
payload's canonical JSON. When both are erased the chain still stands, and nobody finds out by
trying what the payload was.
"""

import enum
import hashlib
from typing import Any, NamedTuple, Self

from server.journal.acts import State
from server.journal.canonical import (
    HASH_OCTETS,
    MalformedError,
    canonical,
    exactly,
    member,
    octets,
    parse_object,
)
from server.journal.entry import End
from server.journal.moments import format_moment, parse_moment

TYPE = "ledger-entry"
SALT_OCTETS = 16
_VERSION = 1
_MEMBERS = frozenset(
    {"type", "v", "sequence", "time", "kind", "subject", "digest", "previous", "hash", "payload"}
)
_PAYLOAD_MEMBERS = frozenset({"salt", "value"})


class Kind(enum.StrEnum):
    """What an entry tells of."""

    MINUTES = "minutes"  # what was answered on a day: commits to the day's segments
    PROBES = "probes"  # what a prober found
    MAINTENANCE = "maintenance"  # a step of a maintenance
    INCIDENT = "incident"  # a step of an incident
    AMENDMENT = "amendment"  # another word on what counted before, with its reason
    NOTICE = "notice"  # somebody was told, or could not be reached
    REPORT = "report"  # a report was published
    GAP = "gap"  # nobody looked


LASTING = frozenset(
    {kind.value for kind in (Kind.MINUTES, Kind.PROBES, Kind.MAINTENANCE, Kind.AMENDMENT, Kind.GAP)}
)
"""Kinds whose payloads are never erased: figures are made of them, and they name nobody."""


class NewEntry(NamedTuple):
    """Something that happens now. subject: whose it is, a number or a day; never a person.

    payload: may be erased one day; no secrets.
    """

    kind: Kind
    subject: str
    payload: State


class Payload(NamedTuple):
    """A payload with the salt of its digest."""

    salt: bytes
    value: State

    def digest(self) -> bytes:
        """Return what the chain holds of it. MalformedError: not a value that JSON can carry."""
        return hashlib.sha256(self.salt + canonical(self.value)).digest()


class Entry(NamedTuple):
    """One entry. sequence counts from 1; time_us: microseconds since the epoch, the store's.

    kind: as text, so that a kind of a later version is carried and not dropped.
    payload_digest: what the chain says of the payload; payload: None once it was erased.
    """

    sequence: int
    time_us: int
    kind: str
    subject: str
    payload_digest: bytes
    previous: bytes
    hash: bytes
    payload: Payload | None

    @property
    def end(self) -> End:
        """Where the chain ends with this entry."""
        return End(self.sequence, self.hash)

    def content(self) -> dict[str, Any]:
        """Return everything that the hash covers."""
        return {
            "type": TYPE,
            "v": _VERSION,
            "sequence": self.sequence,
            "time": format_moment(self.time_us),
            "kind": self.kind,
            "subject": self.subject,
            "digest": self.payload_digest.hex(),
            "previous": self.previous.hex(),
        }

    def digest(self) -> bytes:
        """Return the hash that this content must have. MalformedError."""
        return hashlib.sha256(canonical(self.content())).digest()

    def is_whole(self) -> bool:
        """Whether hash and payload belong to the entry. MalformedError.

        An erased payload does, but of the kinds that are never erased: there it was taken away.
        """
        if self.payload is None:
            if self.kind in LASTING:
                return False
        elif self.payload.digest() != self.payload_digest:
            return False
        return self.digest() == self.hash

    def to_json(self) -> dict[str, Any]:
        """Return the entry as it is exported; `of_json` is the inverse."""
        kept = self.payload
        beside = None if kept is None else {"salt": kept.salt.hex(), "value": kept.value}
        return {**self.content(), "hash": self.hash.hex(), "payload": beside}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        """Read an exported entry's form; whether its hash is right is another question."""
        exactly(value, _MEMBERS)
        if value["type"] != TYPE or member(value, "v", int) != _VERSION:
            raise MalformedError("not an entry of a version that is known here")
        sequence = member(value, "sequence", int)
        if sequence < 1:
            raise MalformedError("entries are numbered from 1")
        return cls(
            sequence,
            parse_moment(member(value, "time", str)),
            member(value, "kind", str),
            member(value, "subject", str),
            octets(value, "digest", HASH_OCTETS),
            octets(value, "previous", HASH_OCTETS),
            octets(value, "hash", HASH_OCTETS),
            None if value["payload"] is None else _payload(member(value, "payload", dict)),
        )

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read an entry from its line of an export. MalformedError."""
        return cls.of_json(parse_object(line))


def append(end: End, new: NewEntry, time_us: int, salt: bytes) -> Entry:
    """Return the entry that follows `end`. MalformedError: a payload that JSON cannot carry.

    salt: SALT_OCTETS, drawn for this entry alone.
    """
    payload = Payload(salt, new.payload)
    entry = Entry(
        sequence=end.sequence + 1,
        time_us=time_us,
        kind=new.kind.value,
        subject=new.subject,
        payload_digest=payload.digest(),
        previous=end.hash,
        hash=b"",
        payload=payload,
    )
    return entry._replace(hash=entry.digest())


def _payload(value: dict[str, Any]) -> Payload:
    exactly(value, _PAYLOAD_MEMBERS)
    return Payload(octets(value, "salt", SALT_OCTETS), member(value, "value", dict))
