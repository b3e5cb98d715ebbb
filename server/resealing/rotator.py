"""Works at a rotation that stands until it has ended: activate, walk, retire, destroy.

Every step may be taken again, and each begins where the records say. The old keys are retired
when no record is under them, in the transaction that makes sure of it, and destroyed after that.
"""

import asyncio

import structlog

from hsm.seals import describe
from hsm.vault import VaultError
from server.clock import Clock
from server.journal.acts import Deed
from server.leases import Lease
from server.resealing.ports import GoalError, Keys, Kind, RecordsLeftError, RotationBook
from server.resealing.progress import Progress
from server.resealing.rotation import Rotation, end, standing
from server.resealing.walk import Pace, Walk, Walked

_log = structlog.stdlib.get_logger(__name__)
_US = 1_000_000


class StuckError(Exception):
    """A walk brought nothing further: there are records that do not open."""

    def __init__(self, refused: int) -> None:
        super().__init__(
            f"{refused} records do not open under any key that the vault has: the rotation cannot"
            " end, and the old keys stay. The log names them (record_not_resealed): restore these"
            " rows from a backup, or remove them, and find out who wrote to the database"
        )
        self.refused = refused


class Rotator:
    """Does what is to be done for the rotation that stands."""

    def __init__(
        self,
        book: RotationBook,
        keys: Keys,
        *,
        clock: Clock,
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
        progress: Progress | None = None,
    ) -> None:
        self._book = book
        self._keys = keys
        self._clock = clock
        self._pace = pace
        self.progress = progress or Progress()

    async def is_wanted(self) -> bool:
        """Tell whether a rotation stands."""
        return bool(await standing(self._book))

    async def work(self, lease: Lease) -> None:
        """Bring the rotation that stands to its end. It may be cancelled at any await.

        Raises StuckError, VaultError, StoreError and LeaseLostError; then it is tried again.
        """
        rotation = await standing(self._book)
        if rotation is None:
            return
        try:
            await self._bring_to_its_end(rotation, lease)
        except (GoalError, StuckError, VaultError) as error:
            self.progress.trouble = str(error)
            raise
        self.progress.clear()
        _log.info(
            "vault_rotated", **{kind.value: describe(rotation.target.of(kind)) for kind in Kind}
        )

    async def _bring_to_its_end(self, rotation: Rotation, lease: Lease) -> None:
        await self._let_settle(rotation)
        await self._keys.activate(rotation.target, cause=rotation.cause)
        retired = False
        while not retired:
            # Again for what somebody changed meanwhile, or stored under the old key.
            retired = await self._walked(rotation, lease) and await self._retired(rotation, lease)
        await end(self._book, rotation)
        self._keys.settled()

    async def _let_settle(self, rotation: Rotation) -> None:
        """Wait until every process has the new keys: a record under one it lacks opens nothing."""
        ready_us = rotation.began_us + round(self._keys.settle_s * _US)
        waits_us = ready_us - await self._book.store_time_us()
        # Never longer than it takes to settle, whatever the clock was set to meanwhile.
        await asyncio.sleep(min(max(0.0, waits_us / _US), self._keys.settle_s))

    async def _walked(self, rotation: Rotation, lease: Lease) -> bool:
        """Walk once; return whether nothing was left. StuckError when that cannot come to be."""
        before = await self._left(rotation)
        self.progress.left = before

        def told(done: Walked) -> None:
            self.progress.trouble = ""
            self.progress.left = max(0, before - done.swapped)
            self.progress.refused = done.refused

        walk = Walk(
            self._book,
            self._keys.resealer(rotation.target),
            clock=self._clock,
            pace=self._pace,
            told=told,
        )
        walked = await walk.once(lease)
        self.progress.left = left = await self._left(rotation)
        self.progress.refused = walked.refused
        if left and walked.refused and not walked.swapped:
            raise StuckError(walked.refused)
        return not left

    async def _left(self, rotation: Rotation) -> int:
        counted = await self._book.count_seals()
        return sum(
            number
            for kind in Kind
            for seal, number in counted[kind].items()
            if seal != rotation.target.of(kind)
        )

    async def _retired(self, rotation: Rotation, lease: Lease) -> bool:
        """Retire and destroy the old keys; False when somebody stored a record under one."""
        act = rotation.cause.act("vault.retire")
        for kind in Kind:
            target = rotation.target.of(kind)
            old = {key.seal for key in self._keys.held() if key.kind is kind} - {target}
            fresh = old - await self._book.retired_seals(kind)
            if fresh:
                names = {"retired": [describe(seal) for seal in sorted(fresh)]}
                deed = Deed(act, rotation.subject, None, {"kind": kind.value, **names})
                try:
                    await self._book.retire_seals(kind, fresh, lease=lease, deed=deed)
                except RecordsLeftError:
                    return False
            await self._keys.destroy(kind, old, cause=rotation.cause)
        return True
