"""What re-sealing needs of the outside: records of the store, and who opens and seals them.

A *seal* is what a record begins with (`hsm.seals`): under which key it is. Everything that is to
be done follows from the seals that the store's records have, so nothing about the progress of a
rotation is kept anywhere: a crash at any point loses nothing, and doing it again does no harm.
"""

import enum
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from hsm.vault import OtpKeyBinding
from server.journal.acts import Cause, Deed
from server.leases import Lease


class Kind(enum.StrEnum):
    """What is sealed. Each kind has a key of its own, but for the key file's, which has both."""

    OTP = "otp"  # secrets of YubiKeys
    SECRETS = "secrets"  # API keys of clients


class Target(NamedTuple):
    """The seals that all records are to have."""

    otp: bytes
    secrets: bytes

    def of(self, kind: Kind) -> bytes:
        """Return the seal of a kind."""
        return self.otp if kind is Kind.OTP else self.secrets


class SealedRecord(NamedTuple):
    """A record with its place.

    place: where it is, as the store's walk goes: (public id, generation) of an OTP key,
    (client id, key id) of an API key.
    """

    place: tuple[str, int] | tuple[int, int]
    record: bytes


class Swap(NamedTuple):
    """A record, and what is to stand in its place if it still stands there."""

    old: SealedRecord
    new: bytes


class RecordsLeftError(Exception):
    """Records are under a seal that was to be retired: it was not."""

    def __init__(self, kind: Kind, left: int) -> None:
        super().__init__(
            f"{left} records ({kind}) are sealed under a key that was to be retired: it stays,"
            " and the next round brings them under the new one"
        )
        self.kind = kind
        self.left = left


class ResealingBook(Protocol):
    """The records of a store, by their seals. Raises the store's errors (server.otp.ports)."""

    async def count_seals(self) -> Mapping[Kind, Mapping[bytes, int]]:
        """Return how many records there are under each seal. Reads everything."""
        ...

    async def not_under(
        self, kind: Kind, seal: bytes, after: SealedRecord | None, limit: int
    ) -> Sequence[SealedRecord]:
        """Return up to `limit` records beyond `after` that are under another seal, in order.

        Of an import that has not ended, too: it may end.
        """
        ...

    async def swap(self, kind: Kind, swaps: Sequence[Swap], *, lease: Lease) -> int:
        """Put new records in the place of old ones, each only if the old one is still there.

        Return how many were. Durable when it returns. LeaseLostError.
        """
        ...

    async def retire_seals(
        self, kind: Kind, seals: Collection[bytes], *, lease: Lease, deed: Deed
    ) -> None:
        """Let no record be under these seals any more, from now on.

        RecordsLeftError when there is one, and nothing happened. Otherwise whoever brings one
        later, because they sealed it before they knew, is refused (StaleSealError). LeaseLostError.
        """
        ...

    async def retired_seals(self, kind: Kind) -> frozenset[bytes]:
        """Return the seals that were retired."""
        ...


class Resealer(Protocol):
    """Opens what is under old keys and seals it under new ones; proves it before it says so.

    Both raise RecordRefusedError for a record that does not open under its binding (an alarm:
    it is left as it is) and VaultError when the vault does not work.
    """

    @property
    def target(self) -> Target:
        """The seals that its records have."""
        ...

    async def otp_key(self, binding: OtpKeyBinding, record: bytes) -> bytes:
        """Return the same OTP key, under the new seal and the same binding."""
        ...

    async def secret(self, label: str, record: bytes) -> bytes:
        """Return the same secret, under the new seal and the same label."""
        ...


class RotationBook(ResealingBook, Protocol):
    """The same, with the store's named values and its time: where a rotation is kept."""

    async def meta(self, name: str) -> str | None:
        """Return a named value, or None."""
        ...

    async def settle_meta(self, name: str, proposed: str, deed: Deed | None = None) -> str:
        """Return the value that stands: the proposed one, stored now, when there was none."""
        ...

    async def swap_meta(self, name: str, before: str, after: str, deed: Deed) -> bool:
        """Put `after` in the place of `before`; False when another value stands there."""
        ...

    async def store_time_us(self) -> int:
        """Return microseconds since the epoch."""
        ...


class HeldKey(NamedTuple):
    """A key as an operator sees it. seal: what its records begin with."""

    kind: Kind
    seal: bytes
    name: str
    state: str


class Keys(Protocol):
    """The keys that records are sealed under, wherever they are. Raises VaultError."""

    @property
    def settle_s(self) -> float:
        """How long after a change every process of every machine has the keys."""
        ...

    def held(self) -> Sequence[HeldKey]:
        """Return all keys that open something."""
        ...

    async def renew(self, *, ceremony: Path | None, cause: Cause) -> Target:
        """Make new keys that do not seal yet, or take those that were made and never used.

        ceremony: the file of the ceremony's secret, None for where it lies first. GoalError.
        """
        ...

    async def adopt(self, *, ceremony: Path | None, cause: Cause) -> Target:
        """Return what the vault, as it is configured, seals under; make it if there is none yet.

        GoalError when records cannot come under that.
        """
        ...

    async def activate(self, target: Target, *, cause: Cause) -> None:
        """Seal under a target from now on. Done once more it does no harm."""
        ...

    def resealer(self, target: Target) -> Resealer:
        """Return what brings records under a target that is active."""
        ...

    async def lend(self, ceremony: Path) -> None:
        """Take the ceremony's secret for a rotation that goes on. GoalError."""
        ...

    def settled(self) -> None:
        """Give back what was lent: no rotation goes on any more."""
        ...

    async def destroy(self, kind: Kind, seals: Collection[bytes], *, cause: Cause) -> None:
        """Forget keys whose seals are retired. Done once more it does no harm."""
        ...


class GoalError(Exception):
    """What is asked for is impossible here and now. The message says why and what to do."""
