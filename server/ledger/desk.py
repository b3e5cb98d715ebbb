"""The desk for the ledger: read it, sign where it ends, erase a payload."""

from collections.abc import Sequence

from server.journal.acts import Cause
from server.journal.chain import Fault
from server.journal.checkpoint import ChainName, Checkpoint, Signer
from server.journal.entry import End
from server.journal.notary import BrokenChainError, Notary
from server.journal.ports import Witness
from server.leases import Lease
from server.ledger.entry import Entry, Kind
from server.ledger.ports import LedgerBook

MAX_PAGE = 1000

ERASABLE = frozenset({Kind.NOTICE, Kind.INCIDENT, Kind.REPORT})
"""Words of people, and who was told. What figures are computed from stays."""


class UnknownLedgerEntryError(LookupError):
    """There is no entry with this number."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"there is no entry {sequence} in the ledger")


class LedgerDamagedError(Exception):
    """The ledger in the store is not what was written. fault: the first thing wrong."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(
            f"the ledger was tampered with, and is not signed any more: {fault.what}. Keep the"
            " database and the checkpoints as they are, and find out who could write to it"
        )
        self.fault = fault


class NotErasableError(Exception):
    """The payload is gone already, or figures are computed from it."""


class _LedgerChain:
    """The ledger as its notary sees it."""

    def __init__(self, book: LedgerBook) -> None:
        self._book = book

    async def end(self) -> End:
        return await self._book.ledger_end()

    async def links(self, after: int, limit: int) -> Sequence[Entry]:
        return await self._book.ledger_entries(after, limit)

    async def store_time_us(self) -> int:
        return await self._book.store_time_us()

    async def last_checkpoint(self) -> Checkpoint | None:
        return await self._book.last_ledger_checkpoint()

    async def add_checkpoint(self, checkpoint: Checkpoint, lease: Lease | None) -> int:
        return await self._book.add_ledger_checkpoint(checkpoint, lease)


class LedgerDesk:
    """What one may do with the ledger. Store errors pass through.

    witness: keeps copies of checkpoints where whoever writes to the database does not reach.
    """

    def __init__(self, book: LedgerBook, signer: Signer, witness: Witness) -> None:
        self._book = book
        self._notary = Notary(_LedgerChain(book), signer, witness, ChainName.LEDGER)

    async def end(self) -> End:
        """Return where the ledger ends."""
        return await self._book.ledger_end()

    async def entries(self, after: int, limit: int) -> Sequence[Entry]:
        """Return up to `limit` (at most MAX_PAGE) entries beyond `after`, in order."""
        return await self._book.ledger_entries(after, max(1, min(limit, MAX_PAGE)))

    async def show(self, sequence: int) -> Entry:
        """Return one entry, or raise UnknownLedgerEntryError."""
        found = await self._book.ledger_entries(sequence - 1, 1)
        if not found or found[0].sequence != sequence:
            raise UnknownLedgerEntryError(sequence)
        return found[0]

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        """Return up to `limit` (at most MAX_PAGE) checkpoints beyond `after`, with numbers."""
        return await self._book.ledger_checkpoints(after, max(1, min(limit, MAX_PAGE)))

    async def checkpoint(self, lease: Lease | None = None) -> Checkpoint:
        """Sign where the ledger ends, if it continues what was signed last.

        Else LedgerDamagedError. lease: what a job holds (LeaseLostError). Raises WitnessError.
        """
        try:
            return await self._notary.checkpoint(lease)
        except BrokenChainError as broken:
            raise LedgerDamagedError(broken.fault) from None

    async def erase(self, sequence: int, *, cause: Cause) -> Entry:
        """Erase a payload, for good; its digest stays.

        UnknownLedgerEntryError, NotErasableError.
        """
        entry = await self.show(sequence)
        if entry.kind not in ERASABLE:
            raise NotErasableError(
                f"entry {sequence} of the ledger tells of {entry.kind}: figures are computed from"
                " it, and it names nobody. Only payloads of incidents, notices and reports go"
            )
        if not await self._book.erase_payload(sequence, act=cause.act("ledger.erase")):
            raise NotErasableError(f"the payload of entry {sequence} was erased before")
        return await self.show(sequence)
