"""The desk for the journal: read it, and sign where it ends."""

import asyncio
from collections.abc import Sequence

from server.journal.chain import Chain, Fault
from server.journal.checkpoint import Checkpoint, PublicKeys, Signer, key_id_of, sign_checkpoint
from server.journal.entry import BEGINNING, End, Entry
from server.journal.ports import ALL, JournalBook, Selection, Witness
from server.leases import Lease

MAX_PAGE = 1000
_LOOKED_AT_ONCE = 50
"""Entries whose hashes are computed before other work gets its turn: a few milliseconds."""


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


class WitnessError(Exception):
    """A checkpoint's copy outside the store could not be kept. The message says why."""


class JournalDesk:
    """What one may do with the journal. Store errors pass through."""

    def __init__(self, book: JournalBook, signer: Signer, witness: Witness) -> None:
        self._book = book
        self._signer = signer
        self._witness = witness

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
        # In this order: the end is then never before what was signed last.
        last = await self._book.last_checkpoint()
        end = await self._book.journal_end()
        fault = await self._look(last, end)
        if fault is not None:
            raise JournalDamagedError(fault)
        checkpoint = sign_checkpoint(end, await self._book.store_time_us(), self._signer)
        await self._book.add_checkpoint(checkpoint, lease)
        try:
            await asyncio.to_thread(self._witness.keep, checkpoint)
        except OSError as error:
            raise WitnessError(
                f"the checkpoint is stored, but not its copy outside the database: {error}"
            ) from error
        return checkpoint

    async def _look(self, last: Checkpoint | None, end: End) -> Fault | None:
        """Return what is wrong with the entries since the last checkpoint, and that one."""
        public_key = self._signer.public_key
        if last is not None and last.key == key_id_of(public_key):
            doubt = PublicKeys([public_key]).doubt(last)
            if doubt is not None:
                return Fault(last.end.sequence, f"the last checkpoint: {doubt}")
        chain = Chain(last.end if last is not None else BEGINNING)
        if last is not None and last.end.sequence > 0:
            fault = await self._stands(last.end)
            if fault is not None:
                return fault
        while chain.end.sequence < end.sequence:
            wanted = min(_LOOKED_AT_ONCE, end.sequence - chain.end.sequence)
            page = await self._book.journal_entries(chain.end.sequence, wanted)
            for entry in page:
                fault = chain.follow(entry)
                if fault is not None:
                    return fault
            if not page:
                missing = chain.end.sequence + 1
                return Fault(missing, f"entry {missing} is missing, and all after it")
        if chain.end != end:
            return Fault(end.sequence, f"entry {end.sequence} is not the one that was written last")
        return None

    async def _stands(self, end: End) -> Fault | None:
        """Return what is wrong with an entry that was signed."""
        found = await self._book.journal_entries(end.sequence - 1, 1)
        if not found or found[0].sequence != end.sequence:
            return Fault(end.sequence, f"entry {end.sequence}, which was signed, is missing")
        fault = Chain(End(end.sequence - 1, found[0].previous)).follow(found[0])
        if fault is None and found[0].hash != end.hash:
            fault = Fault(end.sequence, f"entry {end.sequence}, which was signed, was replaced")
        return fault
