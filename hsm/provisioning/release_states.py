"""A release is handed out once: its states, and what the store has to keep of it.

    offered --take--> taken        the message goes to the station, and out of the store
    offered --expire--> expired    too late: nobody gets it
    offered --withdraw--> withdrawn

Taken, expired or withdrawn, it holds no message any more. If the answer that carries it is lost,
so is the secret, and another one is minted: twice would be one time too many to tell who has it.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from hsm.provisioning.release import Release, ReleaseContext


class ReleaseState(enum.StrEnum):
    """What became of a release."""

    OFFERED = "offered"
    TAKEN = "taken"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ReleaseEvent(enum.StrEnum):
    """What happens to one."""

    TAKE = "take"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


TRANSITIONS: Mapping[tuple[ReleaseState, ReleaseEvent], ReleaseState] = MappingProxyType(
    {
        (ReleaseState.OFFERED, ReleaseEvent.TAKE): ReleaseState.TAKEN,
        (ReleaseState.OFFERED, ReleaseEvent.EXPIRE): ReleaseState.EXPIRED,
        (ReleaseState.OFFERED, ReleaseEvent.WITHDRAW): ReleaseState.WITHDRAWN,
    }
)


class KeptRelease(NamedTuple):
    """What the store keeps. message: `Release.format`, b"" once it is not offered any more."""

    context: ReleaseContext
    state: ReleaseState
    message: bytes

    @classmethod
    def offered(cls, release: Release) -> "KeptRelease":
        """Return how a release begins."""
        return cls(release.context, ReleaseState.OFFERED, release.format())

    def after(self, event: ReleaseEvent) -> "KeptRelease":
        """Return what is kept after an event; ReleaseGoneError when it is offered no more."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            raise ReleaseGoneError(self.state)
        return KeptRelease(self.context, state, b"")


class ReleaseGoneError(Exception):
    """The release cannot be had (any more)."""

    def __init__(self, state: ReleaseState | None) -> None:
        was = "is not known" if state is None else f"was {state} already"
        super().__init__(
            f"this release {was}: a secret is handed out once. Mint another key for the order,"
            " and find out who took this one if it was not you"
        )
        self.state = state


class WrongStationError(Exception):
    """Somebody asks for a release that is for another station."""


class ReleaseBook(Protocol):
    """Keeps releases, by order and public id. A store implements it."""

    async def kept_release(self, order: str, public_id: str) -> KeptRelease | None:
        """Return what is kept of a release, or None."""
        ...

    async def swap_release(self, before: KeptRelease, after: KeptRelease) -> bool:
        """Put `after` in the place of `before`, durably, if that is what is kept; tell whether.

        Compare and set in one transaction: of two who take one release, one is told False.
        """
        ...


async def take_release(
    book: ReleaseBook, *, order: str, public_id: str, station: str, now_us: int
) -> bytes:
    """Return the message of a release to its station: once, ever, and not when it has expired.

    Raises ReleaseGoneError, WrongStationError and the store's errors. When the store does not
    know whether it noted the taking (its commit was not confirmed), the message is not returned.
    """
    kept = await book.kept_release(order, public_id)
    if kept is None:
        raise ReleaseGoneError(None)
    if kept.context.station != station:
        raise WrongStationError(f"the release is for another station, not for {station!r}")
    late = now_us >= kept.context.expires_us
    after = kept.after(ReleaseEvent.EXPIRE if late else ReleaseEvent.TAKE)
    if not await book.swap_release(kept, after):
        # Somebody was quicker, and it is theirs.
        now = await book.kept_release(order, public_id)
        raise ReleaseGoneError(None if now is None else now.state)
    if late:
        raise ReleaseGoneError(after.state)
    return kept.message
