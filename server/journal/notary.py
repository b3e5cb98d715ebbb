"""The notary: signs where a chain ends, and only if it continues what was signed before.

For the journal and for the ledger: one key, one way of looking, checkpoints that name their chain.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from server.journal.chain import Chain, Fault, Link
from server.journal.checkpoint import (
    ChainName,
    Checkpoint,
    PublicKeys,
    Signer,
    key_id_of,
    sign_checkpoint,
)
from server.journal.entry import BEGINNING, End
from server.journal.ports import Witness
from server.leases import Lease

_LOOKED_AT_ONCE = 50
"""Entries whose hashes are computed before other work gets its turn: a few milliseconds."""


class BrokenChainError(Exception):
    """The chain in the store is not what was written. fault: the first thing wrong."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


class WitnessError(Exception):
    """A checkpoint's copy outside the store could not be kept. The message says why."""


class SignedChain(Protocol):
    """A chain in a store, with its checkpoints. Raises the store's errors."""

    async def end(self) -> End:
        """Return where the chain ends."""
        ...

    async def links(self, after: int, limit: int) -> Sequence[Link]:
        """Return up to `limit` entries with a number beyond `after`, in order."""
        ...

    async def store_time_us(self) -> int:
        """Return the store's time: microseconds since the epoch."""
        ...

    async def last_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint that was made last."""
        ...

    async def add_checkpoint(self, checkpoint: Checkpoint, lease: Lease | None) -> int:
        """Keep a checkpoint. LeaseLostError, and nothing is written, without the lease."""
        ...


class Notary:
    """Signs one chain. name: which one its checkpoints say it is."""

    def __init__(
        self,
        chain: SignedChain,
        signer: Signer,
        witness: Witness,
        name: ChainName = ChainName.JOURNAL,
    ) -> None:
        self._chain = chain
        self._signer = signer
        self._witness = witness
        self._name = name

    async def checkpoint(self, lease: Lease | None = None) -> Checkpoint:
        """Sign where the chain ends, if it continues what was signed last.

        Else BrokenChainError: a signature under a forged chain would make it genuine. lease: what a
        job holds (LeaseLostError). Raises WitnessError, too.
        """
        # In this order: the end is then never before what was signed last.
        last = await self._chain.last_checkpoint()
        end = await self._chain.end()
        fault = await self._look(last, end)
        if fault is not None:
            raise BrokenChainError(fault)
        checkpoint = sign_checkpoint(
            end, await self._chain.store_time_us(), self._signer, self._name
        )
        await self._chain.add_checkpoint(checkpoint, lease)
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
            page = await self._chain.links(chain.end.sequence, wanted)
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
        found = await self._chain.links(end.sequence - 1, 1)
        if not found or found[0].sequence != end.sequence:
            return Fault(end.sequence, f"entry {end.sequence}, which was signed, is missing")
        fault = Chain(End(end.sequence - 1, found[0].previous)).follow(found[0])
        if fault is None and found[0].hash != end.hash:
            fault = Fault(end.sequence, f"entry {end.sequence}, which was signed, was replaced")
        return fault
