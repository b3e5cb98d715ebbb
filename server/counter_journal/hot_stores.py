"""Hot stores around the store: one journals what was accepted, one refuses while fenced."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from server.clock import Clock
from server.counter_journal.journal import CounterJournal
from server.counter_journal.ports import (
    BACKUPS_KEPT,
    FenceBook,
    JournalError,
    NodeBook,
    Place,
)
from server.otp.ports import (
    Entry,
    FencedError,
    HotStore,
    Kind,
    Outcome,
    StoreError,
    StoreUnavailableError,
    UnknownOutcomeError,
)

_OK = Kind.OK
_LOOK_AGAIN_S = 1.0

_log = structlog.stdlib.get_logger(__name__)


class JournalingHotStore:
    """Appends what `store` accepted to the journal, after its commit and before the answer.

    Fails closed: what is not in the journal is no OK, for a restore would accept it again. A
    journal that cannot be written refuses before anything is consumed, but for the one batch
    that found out.
    """

    def __init__(
        self, store: HotStore, journal: CounterJournal, *, node: str, book: NodeBook
    ) -> None:
        self._store = store
        self._journal = journal
        self._node = node
        self._book = book
        self._rotation: asyncio.Task[None] | None = None

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Decide a batch as the wrapped store does, and journal it."""
        if self._journal.failing is not None:
            try:
                await self._journal.recover()
            except JournalError as error:
                raise StoreUnavailableError(f"nothing was written: {error}") from error
        outcomes = await self._store.spend_and_advance(batch)
        fields: list[bytes | int] = []
        for entry, outcome in zip(batch, outcomes, strict=True):
            if outcome[0] is _OK and (advance := entry.advance) is not None:
                session, use, clock, _ = advance
                fields += (entry.public_id.encode(), session, use, clock)
        if fields:
            try:
                await self._journal.append(fields)
            except JournalError as error:
                raise UnknownOutcomeError(f"accepted, but not journaled: {error}") from error
            if self._rotation is None and self._journal.wants_rotation:
                self._rotation = asyncio.get_running_loop().create_task(self._rotate())
        return outcomes

    async def close(self) -> None:
        """Let a rotation end."""
        if self._rotation is not None:
            await asyncio.wait([self._rotation])

    async def _rotate(self) -> None:
        try:
            nodes = await self._book.journal_nodes()
            kept = await self._book.kept_backups()
            first = await self._journal.rotate(list(nodes), pruned_before(kept, self._node))
            await self._book.note_journal_node(self._node, Place(first))
        except (StoreError, JournalError) as error:
            # The segment grows on, or the next batch recovers; nothing is lost by it.
            _log.warning("counter_journal_not_rotated", error=str(error))
        finally:
            self._rotation = None


def pruned_before(kept: Sequence[Mapping[str, Place]], node: str) -> int | None:
    """Return the number before which no kept backup needs this node's entries.

    None: keep everything. The newest backup alone is no reason: it may turn out unreadable.
    """
    if len(kept) < BACKUPS_KEPT:
        return None
    places = [backup.get(node, Place(None)).first for backup in kept]
    return None if None in places else min(first for first in places if first is not None)


class FenceWatch:
    """Knows whether the fence stands. It can only fall: a restore fills nothing but empty stores.

    So who sees none at the start never looks again, and who sees one looks once a second.
    """

    def __init__(self, book: FenceBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._look_at = 0.0
        self.stands = False

    async def start(self) -> None:
        """Look for the first time; raises StoreError."""
        self.stands = await self._book.standing_fence() is not None
        self._look_at = self._clock.monotonic() + _LOOK_AGAIN_S

    async def still_stands(self) -> bool:
        """Look again when it is time; raises StoreError."""
        if self.stands and self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + _LOOK_AGAIN_S
            self.stands = await self._book.standing_fence() is not None
            if not self.stands:
                _log.info("recovered", alarm="keys_fenced")
        return self.stands


class FencedHotStore:
    """Refuses every batch while the fence stands: nothing is consumed, nothing is BAD_OTP."""

    def __init__(self, store: HotStore, watch: FenceWatch) -> None:
        self._store = store
        self._watch = watch

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Decide a batch as the wrapped store does, unless it is fenced."""
        if self._watch.stands and await self._watch.still_stands():
            raise FencedError(
                "all keys are fenced since a backup was restored: run `keystead fence status`"
            )
        return await self._store.spend_and_advance(batch)
