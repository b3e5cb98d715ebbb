"""What the journal needs of the outside: a book that keeps it, and a witness outside the store."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from server.journal.acts import Subject
from server.journal.checkpoint import Checkpoint
from server.journal.entry import End, Entry
from server.leases import Lease


class Selection(NamedTuple):
    """Which entries are asked for: those about one subject, or about all of one kind."""

    kind: str | None = None
    id: str | None = None

    @classmethod
    def of(cls, subject: Subject) -> "Selection":
        """Return what selects a subject's entries."""
        return cls(subject.kind, subject.id)


ALL = Selection()


class JournalBook(Protocol):
    """Reads the journal and keeps its checkpoints. Entries are only written with a change.

    Raises the store's errors (server.otp.ports).
    """

    async def journal_end(self) -> End:
        """Return where the chain ends."""
        ...

    async def journal_entries(
        self, after: int, limit: int, which: Selection = ALL
    ) -> Sequence[Entry]:
        """Return up to `limit` entries with a number beyond `after`, in order."""
        ...

    async def latest_entries(self, limit: int, which: Selection = ALL) -> Sequence[Entry]:
        """Return the last entries, at most `limit`, in order."""
        ...

    async def store_time_us(self) -> int:
        """Return the store's time, which entries bear: microseconds since the epoch."""
        ...

    async def add_checkpoint(self, checkpoint: Checkpoint, lease: Lease | None = None) -> int:
        """Keep a checkpoint; return its number, counting from 1.

        lease: what a job holds; LeaseLostError, and nothing is written, when it holds it no more.
        """
        ...

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        """Return up to `limit` checkpoints with a number beyond `after`, in order."""
        ...

    async def last_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint that was made last."""
        ...


class Witness(Protocol):
    """Keeps copies of checkpoints where whoever writes to the database does not reach."""

    def keep(self, checkpoint: Checkpoint) -> None:
        """Store a copy durably. Raises OSError."""
        ...
