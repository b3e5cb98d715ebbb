"""One walk through all records: those under other seals come under the target's, in small pieces.

Whoever reads a record while it is changed finds the old or the new one, and both open: the old
key stays until no record is under it. A record that somebody changed meanwhile is left to the
next walk. A record that does not open is left as it is, and counted: an alarm, and the reason
why the old key is not retired.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from hsm.vault import OtpKeyBinding, RecordRefusedError
from server.clock import Clock
from server.leases import Lease
from server.otp.client_cache import api_key_label
from server.resealing.ports import Kind, Resealer, ResealingBook, SealedRecord, Swap

_log = structlog.stdlib.get_logger(__name__)

_ALARMS = 20
"""Records that a walk names in the log; the rest are counted."""


class Pace(NamedTuple):
    """How fast a walk goes.

    piece: records per transaction; breath: after how many of them other work gets its turn;
    share: which part of the time it may take at most, 0 < share <= 1.
    """

    piece: int = 100
    breath: int = 10
    share: float = 0.2

    def pause_s(self, worked_s: float) -> float:
        """Return how long to rest after so much work."""
        return worked_s * (1 / self.share - 1)


class Walked(NamedTuple):
    """What a walk did. seen: records under other seals; swapped: brought under the target's.

    refused: did not open. Others were changed by somebody meanwhile.
    """

    seen: int = 0
    swapped: int = 0
    refused: int = 0

    def plus(self, other: "Walked") -> "Walked":
        """Return the sum of two."""
        return Walked(*(one + two for one, two in zip(self, other, strict=True)))


class Walk:
    """Walks through the records of a store. told: called after each piece with what was done."""

    def __init__(
        self,
        book: ResealingBook,
        resealer: Resealer,
        *,
        clock: Clock,
        pace: Pace = Pace(),  # noqa: B008 - a frozen value
        told: Callable[[Walked], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._resealer = resealer
        self._clock = clock
        self._pace = pace
        self._told = told

    async def once(self, lease: Lease) -> Walked:
        """Walk through everything once. Raises VaultError, StoreError and LeaseLostError."""
        done = Walked()
        for kind in Kind:
            done = done.plus(await self._through(kind, lease, done))
        return done

    async def _through(self, kind: Kind, lease: Lease, before: Walked) -> Walked:
        seal = self._resealer.target.of(kind)
        done, after = Walked(), None
        while True:
            began = self._clock.monotonic()
            page = await self._book.not_under(kind, seal, after, self._pace.piece)
            if not page:
                return done
            after = page[-1]
            swaps = await self._resealed(kind, page, before.refused + done.refused)
            swapped = await self._book.swap(kind, swaps, lease=lease) if swaps else 0
            done = done.plus(Walked(len(page), swapped, len(page) - len(swaps)))
            self._told(before.plus(done))
            await asyncio.sleep(self._pace.pause_s(self._clock.monotonic() - began))

    async def _resealed(self, kind: Kind, page: Sequence[SealedRecord], alarms: int) -> list[Swap]:
        swaps: list[Swap] = []
        for number, old in enumerate(page):
            try:
                swaps.append(Swap(old, await self._reseal(kind, old)))
            except RecordRefusedError as refused:
                alarms += 1
                if alarms <= _ALARMS:
                    # The place is a name, never a secret; nor does the error show any.
                    place = "/".join(map(str, old.place))
                    _log.error("record_not_resealed", kind=kind, place=place, error=str(refused))
            if number % self._pace.breath == self._pace.breath - 1:
                await asyncio.sleep(0)
        return swaps

    async def _reseal(self, kind: Kind, old: SealedRecord) -> bytes:
        name, number = old.place
        if kind is Kind.OTP:
            return await self._resealer.otp_key(OtpKeyBinding(str(name), number), old.record)
        return await self._resealer.secret(api_key_label(int(name), number), old.record)
