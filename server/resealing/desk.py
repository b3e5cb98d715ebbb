"""The operator's desk for the vault's keys: look at them, begin a rotation or a migration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from server.journal.acts import Cause
from server.resealing.ports import HeldKey, Keys, Kind, RotationBook, Target
from server.resealing.progress import Progress
from server.resealing.rotation import Rotation, UnderWayError, begin, standing


class VaultStatus(NamedTuple):
    """The vault's keys.

    counts: records under each seal; left: not under the rotation's target; trouble: why it waits.
    """

    keys: Sequence[HeldKey]
    counts: Mapping[Kind, Mapping[bytes, int]]
    rotation: Rotation | None
    left: int
    trouble: str = ""


class VaultDesk:
    """What an operator may do with the vault's keys. Store and vault errors pass through."""

    def __init__(self, book: RotationBook, keys: Keys, progress: Progress | None = None) -> None:
        self._book = book
        self._keys = keys
        self._progress = progress or Progress()

    async def status(self) -> VaultStatus:
        """Return the keys and how many records are under each. Reads every record's beginning."""
        rotation = await standing(self._book)
        counts = await self._book.count_seals()
        left = 0
        if rotation is not None:
            left = sum(
                number
                for kind in Kind
                for seal, number in counts[kind].items()
                if seal != rotation.target.of(kind)
            )
        trouble = "" if rotation is None else self._progress.trouble
        return VaultStatus(self._keys.held(), counts, rotation, left, trouble)

    async def rotate(self, *, ceremony: Path | None, cause: Cause) -> Rotation:
        """Begin to bring all records under new keys. GoalError.

        ceremony: the file of the ceremony's secret on the service's machine; None: in secrets/.
        Named while a rotation stands, it is lent to that one, which goes on.
        """
        standing_one = await standing(self._book)
        if standing_one is not None and ceremony is not None:
            # What goes on began in a process that is gone, and with it what it was lent.
            await self._keys.lend(ceremony)
            return standing_one
        await self._refuse_another()
        target = await self._keys.renew(ceremony=ceremony, cause=cause)
        return await self._begin(target, cause, "vault.rotate")

    async def migrate(self, *, ceremony: Path | None, cause: Cause) -> Rotation:
        """Begin to bring all records under what the vault is configured to seal with. GoalError."""
        await self._refuse_another()
        target = await self._keys.adopt(ceremony=ceremony, cause=cause)
        return await self._begin(target, cause, "vault.migrate")

    async def _refuse_another(self) -> None:
        """Refuse before keys are made; `begin` refuses whoever comes at the same time."""
        if await standing(self._book) is not None:
            raise UnderWayError

    async def _begin(self, target: Target, cause: Cause, action: str) -> Rotation:
        rotation = Rotation(target, await self._book.store_time_us(), cause)
        await begin(self._book, rotation, action)
        return rotation
