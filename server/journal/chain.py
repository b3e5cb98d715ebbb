"""Whether entries continue a chain: hash, number and link of each, and the first bad one."""

from typing import NamedTuple, Protocol

from server.journal.canonical import MalformedError
from server.journal.entry import BEGINNING, End


class Link(Protocol):
    """An entry of a chain of this make: the journal's, or the ledger's."""

    @property
    def sequence(self) -> int:
        """Its number, counting from 1."""
        ...

    @property
    def previous(self) -> bytes:
        """The hash of the entry before it."""
        ...

    @property
    def hash(self) -> bytes:
        """Its own."""
        ...

    @property
    def end(self) -> End:
        """Where the chain ends with it."""
        ...

    def is_whole(self) -> bool:
        """Whether its hash belongs to its content. MalformedError."""
        ...


class Fault(NamedTuple):
    """Something is wrong with a journal. sequence: the first bad entry; what: for a person."""

    sequence: int
    what: str


class Chain:
    """Walks along a chain, entry by entry. after: where it is known to be good already."""

    def __init__(self, after: End = BEGINNING) -> None:
        self.end = after

    def follow(self, entry: Link) -> Fault | None:
        """Take the next entry; return what is wrong with it, and then go no further."""
        fault = self._check(entry)
        if fault is None:
            self.end = entry.end
        return fault

    def _check(self, entry: Link) -> Fault | None:
        expected = self.end.sequence + 1
        if entry.sequence > expected:
            return Fault(expected, f"entry {expected} is missing: entry {entry.sequence} follows")
        if entry.sequence < expected:
            return Fault(
                entry.sequence,
                f"entry {entry.sequence} stands after entry {self.end.sequence}: it was put in,"
                " or entries were put into another order",
            )
        try:
            is_whole = entry.is_whole()
        except MalformedError:
            is_whole = False
        if not is_whole:
            return Fault(
                expected,
                f"entry {expected} was altered: its hash does not belong to its content, or a"
                " content that is never erased is gone",
            )
        if entry.previous != self.end.hash:
            # Its own hash is right and covers what came before, which is not what stands there.
            first = max(1, self.end.sequence)
            return Fault(
                first,
                f"entry {expected} does not continue entry {self.end.sequence}: one of the two"
                " was replaced",
            )
        return None
