"""What the store notes of an archive, and which of the two is ahead. Pure.

The archive is the evidence; the note in the store tells every machine that may read the device
how far its log was read, and whose archive holds it. After a crash an archive is one record
ahead; after a restore of the store more; one that is behind its own note was cut.
"""

from typing import NamedTuple, Self

from hsm.audit.finding import Finding, Kind
from hsm.audit.lines import exactly, line_of, octets, parse_line, text, whole
from hsm.audit.record import Record
from hsm.audit.standing import Standing

_MEMBERS = frozenset({"node", "sequence", "hash", "after"})
_HASH_OCTETS = 32


class Note(NamedTuple):
    """The last record that all know of. node: whose archive holds it."""

    node: str
    sequence: int
    hash: bytes
    after: Standing | None

    @classmethod
    def of(cls, node: str, record: Record) -> Self:
        """Return the note of a record."""
        return cls(node, record.sequence, record.hash, record.after)

    def format(self) -> str:
        """Return its text; `parse` is the inverse."""
        value = {
            "node": self.node,
            "sequence": self.sequence,
            "hash": self.hash.hex(),
            "after": self.after and self.after.to_json(),
        }
        return line_of(value).decode("ascii")

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read a note; DamagedLineError."""
        value = parse_line(written.encode())
        exactly(value, _MEMBERS)
        after = value["after"]
        return cls(
            text(value, "node"),
            whole(value, "sequence"),
            octets(value, "hash", _HASH_OCTETS),
            None if after is None else Standing.of_json(after),
        )


class Resumed(NamedTuple):
    """Where to go on. untold: records that the note does not know of yet, in order."""

    untold: tuple[Record, ...]
    before: Standing | None
    findings: tuple[Finding, ...]


def resume(note: Note | None, records: tuple[Record, ...], node: str) -> Resumed:
    """Compare the store's note with this node's archive.

    records: the archive from the note's own record on if the note is ours, else the last one.
    """
    head = records[-1] if records else None
    if note is None:
        # The store is new, or a crash came before its first note: what happened long ago is told
        # by the archive alone.
        return Resumed(records[-1:], head and head.after, ())
    if note.node != node:
        if head is not None and head.before == note.after:
            return Resumed((head,), head.after, ())
        return Resumed((), note.after, ())
    if head is None or records[0].sequence != note.sequence or records[0].hash != note.hash:
        text = (
            f"the archive on {node} lacks record {note.sequence} as it was noted in the store: its"
            " end was cut off, or it was replaced"
        )
        return Resumed((), note.after, (Finding(Kind.ARCHIVE, None, text),))
    return Resumed(records[1:], head.after, ())
