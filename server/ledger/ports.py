"""What the ledger needs of a store. Entries are only written with what they tell of."""

from collections.abc import Sequence
from typing import Protocol

from server.journal.acts import Act
from server.journal.checkpoint import Checkpoint
from server.journal.entry import End
from server.leases import Lease
from server.ledger.entry import Entry, Kind


class LedgerBook(Protocol):
    """Reads the chain, keeps its checkpoints, and forgets payloads. Raises the store's errors."""

    async def ledger_end(self) -> End:
        """Return where the chain ends."""
        ...

    async def ledger_entries(self, after: int, limit: int) -> Sequence[Entry]:
        """Return up to `limit` entries with a number beyond `after`, in order."""
        ...

    async def store_time_us(self) -> int:
        """Return the store's time, which entries bear: microseconds since the epoch."""
        ...

    async def add_ledger_checkpoint(
        self, checkpoint: Checkpoint, lease: Lease | None = None
    ) -> int:
        """Keep a checkpoint; return its number, counting from 1. LeaseLostError."""
        ...

    async def ledger_checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        """Return up to `limit` checkpoints with a number beyond `after`, in order."""
        ...

    async def last_ledger_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint that was made last."""
        ...

    async def erase_payload(self, sequence: int, *, act: Act) -> bool:
        """Erase a payload with its salt, and tell the journal; False when there is none.

        The chain stays as it is: an erased payload verifies as erased.
        """
        ...

    async def prune_payloads(self, kind: Kind, before_us: int, lease: Lease | None = None) -> int:
        """Erase payloads of a kind that are older; return how many. LeaseLostError.

        Not all at once: call it again until it returns 0.
        """
        ...
