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

from hsm.vault import OtpKeyBinding, RecordRefusedError, VaultUnavailableError
from server.clock import Clock
from server.leases import Lease
from server.otp.client_cache import api_key_label
from server.resealing.ports import Kind, Resealer, ResealingBook, SealedRecord, Swap

_log = structlog.stdlib.get_logger(__name__)

_ALARMS = 20
"""Records that a walk names in the log; the rest are counted."""

_LONGEST_WAIT_S = 10.0


class Pace(NamedTuple):
    """How fast a walk goes.

    piece: records per transaction; breath: after how many of them other work gets its turn;
    share: which part of the time it may take at most, 0 < share <= 1; outage_s: how long to wait
    at first for a vault that is away; patience_s: how long altogether while nothing goes on.
    """

    piece: int = 100
    breath: int = 10
    share: float = 0.2
    outage_s: float = 1.0
    patience_s: float = 60.0

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


class _Piece(NamedTuple):
    """What became of a page. reached: records of it that were dealt with; outage: why not all."""

    swaps: list[Swap]
    refused: int
    reached: int
    outage: VaultUnavailableError | None = None


class _Patience:
    """Waits for a vault that is away: longer each time that nothing at all went on.

    An HSM that must log whatever it seals does sixty records, and then nothing until its log was
    read; the next sixty come after that. An HSM that stays away ends the walk.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._next_s = pace.outage_s
        self._waited_s = 0.0

    async def wait(self, outage: VaultUnavailableError, *, progress: bool) -> None:
        """Wait a while; raise the outage when it has lasted too long."""
        if progress:
            self._next_s, self._waited_s = self._pace.outage_s, 0.0
        if self._waited_s >= self._pace.patience_s:
            raise outage
        await asyncio.sleep(self._next_s)
        self._waited_s += self._next_s
        self._next_s = min(2 * self._next_s, _LONGEST_WAIT_S)


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
        patience = _Patience(self._pace)
        while True:
            began = self._clock.monotonic()
            page = await self._book.not_under(kind, seal, after, self._pace.piece)
            if not page:
                return done
            piece = await self._resealed(kind, page, before.refused + done.refused)
            if piece.swaps:
                swapped = await self._book.swap(kind, piece.swaps, lease=lease)
                done = done.plus(Walked(swapped=swapped))
            done = done.plus(Walked(seen=piece.reached, refused=piece.refused))
            self._told(before.plus(done))
            if piece.reached:
                after = page[piece.reached - 1]
            if piece.outage is not None:
                await patience.wait(piece.outage, progress=piece.reached > 0)
            else:
                await asyncio.sleep(self._pace.pause_s(self._clock.monotonic() - began))

    async def _resealed(self, kind: Kind, page: Sequence[SealedRecord], alarms: int) -> _Piece:
        """Reseal a page, or what can be resealed of it before the vault is away."""
        swaps: list[Swap] = []
        refused = 0
        for number, old in enumerate(page):
            try:
                swaps.append(Swap(old, await self._reseal(kind, old)))
            except RecordRefusedError as error:
                refused += 1
                if alarms + refused <= _ALARMS:
                    # The place is a name, never a secret; nor does the error show any.
                    place = "/".join(map(str, old.place))
                    _log.error("record_not_resealed", kind=kind, place=place, error=str(error))
            except VaultUnavailableError as outage:
                return _Piece(swaps, refused, number, outage)
            if number % self._pace.breath == self._pace.breath - 1:
                await asyncio.sleep(0)
        return _Piece(swaps, refused, len(page))

    async def _reseal(self, kind: Kind, old: SealedRecord) -> bytes:
        name, number = old.place
        if kind is Kind.OTP:
            return await self._resealer.otp_key(OtpKeyBinding(str(name), number), old.record)
        return await self._resealer.secret(api_key_label(int(name), number), old.record)
