"""The desk for the journal: read it, and sign where it ends."""

from collections.abc import Sequence

from server.journal.chain import Fault
from server.journal.checkpoint import Checkpoint, Signer
from server.journal.entry import End, Entry
from server.journal.notary import BrokenChainError, Notary, WitnessError
from server.journal.ports import ALL, JournalBook, Selection, Witness
from server.leases import Lease

MAX_PAGE = 1000

__all__ = ["JournalDamagedError", "JournalDesk", "UnknownEntryError", "WitnessError"]


class UnknownEntryError(LookupError):
    """There is no entry with this number."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"there is no entry {sequence} in the journal")


class JournalDamagedError(Exception):
    """The journal in the store is not what was written. fault: the first thing wrong."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(
            f"the journal was tampered with, and is not signed any more: {fault.what}. Keep the"
            " database and the checkpoints as they are, and find out who could write to it"
        )
        self.fault = fault


class _JournalChain:
    """The journal as its notary sees it."""

    def __init__(self, book: JournalBook) -> None:
        self._book = book

    async def end(self) -> End:
        return await self._book.journal_end()

    async def links(self, after: int, limit: int) -> Sequence[Entry]:
        return await self._book.journal_entries(after, limit)

    async def store_time_us(self) -> int:
        return await self._book.store_time_us()

    async def last_checkpoint(self) -> Checkpoint | None:
        return await self._book.last_checkpoint()

    async def add_checkpoint(self, checkpoint: Checkpoint, lease: Lease | None) -> int:
        return await self._book.add_checkpoint(checkpoint, lease)


class JournalDesk:
    """What one may do with the journal. Store errors pass through."""

    def __init__(self, book: JournalBook, signer: Signer, witness: Witness) -> None:
        self._book = book
        self._signer = signer
        self._notary = Notary(_JournalChain(book), signer, witness)

    @property
    def signer(self) -> Signer:
        """What signs with this installation's key."""
        return self._signer

    @property
    def public_key(self) -> bytes:
        """The key that checks this installation's checkpoints: 32 octets, Ed25519."""
        return self._signer.public_key

    async def end(self) -> End:
        """Return where the journal ends."""
        return await self._book.journal_end()

    async def entries(self, after: int, limit: int, which: Selection = ALL) -> Sequence[Entry]:
        """Return up to `limit` (at most MAX_PAGE) entries beyond `after`, in order."""
        return await self._book.journal_entries(after, max(1, min(limit, MAX_PAGE)), which)

    async def latest(self, limit: int, which: Selection = ALL) -> Sequence[Entry]:
        """Return the last entries, at most `limit` (and MAX_PAGE), in order."""
        return await self._book.latest_entries(max(1, min(limit, MAX_PAGE)), which)

    async def show(self, sequence: int) -> Entry:
        """Return one entry, or raise UnknownEntryError."""
        found = await self._book.journal_entries(sequence - 1, 1)
        if not found or found[0].sequence != sequence:
            raise UnknownEntryError(sequence)
        return found[0]

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        """Return up to `limit` (at most MAX_PAGE) checkpoints beyond `after`, with numbers."""
        return await self._book.checkpoints(after, max(1, min(limit, MAX_PAGE)))

    async def checkpoint(self, lease: Lease | None = None) -> Checkpoint:
        """Sign where the journal ends, if it continues what was signed last.

        Else JournalDamagedError: a signature under a forged journal would make it genuine.
        lease: what a job holds (LeaseLostError). Raises WitnessError, too.
        """
        try:
            return await self._notary.checkpoint(lease)
        except BrokenChainError as broken:
            raise JournalDamagedError(broken.fault) from None
