"""What counter journals and fences need of the store; storage implements it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from server.counter_journal.records import Accepted
from server.journal.acts import Deed


class JournalError(Exception):
    """The counter journal cannot be written. The message says why and what to do."""


BACKUPS_KEPT = 2
"""How many backups can be restored with nothing of the journals missing."""


class Place(NamedTuple):
    """A node's place in its journal when the store was told last.

    first: number from which on entries may be missing in the store's copy; None: the node
    serves without a counter journal.
    """

    first: int | None


class NodeBook(Protocol):
    """Knows the nodes that commit to the store."""

    async def journal_nodes(self) -> Mapping[str, Place]:
        """Return every node that ever committed to this store, or may."""
        ...

    async def note_journal_node(self, node: str, place: Place) -> None:
        """Store durably where a node begins a segment; before its first entry in there."""
        ...

    async def kept_backups(self) -> Sequence[Mapping[str, Place]]:
        """Return the places of the nodes in the newest backups, oldest first."""
        ...


class Raised(NamedTuple):
    """What became of journaled counters. unknown: ids of keys it has not, whose were kept."""

    raised: int
    unknown: frozenset[str]


class FenceBook(NodeBook, Protocol):
    """Keeps the fence of a restored store."""

    async def standing_fence(self) -> str | None:
        """Return the fence as text, None when none stands."""
        ...

    async def keep_fence(self, text: str | None, deed: Deed) -> None:
        """Store what became of the fence (None: none stands), and the deed in the journal."""
        ...

    async def lift_fence(self, gone: Mapping[str, Place], deed: Deed) -> None:
        """Remove the fence, enter the deed in the journal, and forget the nodes in `gone`.

        A node is forgotten only if its place is still the one named.
        """
        ...

    async def raise_counters(self, accepted: Sequence[Accepted]) -> Raised:
        """Set counters to the greater of the stored and the given ones; one per public id.

        Those of keys that the store does not know are kept: whoever imports such a key again
        starts from there.
        """
        ...
