"""What minting needs of a store, and its values.

A minted key has two states, each a table of its own: its release
(`hsm.provisioning.release_states`) and the key itself (`hsm.provisioning.key_states`). Both change
in one transaction with what that means for verifications: an active key is one that the hot path
accepts, a destroyed one has no record any more.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, TypeAlias

from hsm.provisioning.key_states import KeyState
from hsm.provisioning.release_states import KeptRelease
from server.journal.acts import Act
from server.otp.ports import Advance, KeyDetails, KeyRecord, NewKey

Draw: TypeAlias = Callable[[int], Awaitable[bytes]]
"""n -> n octets of the HSM's and this host's randomness. VaultError; MintError without an HSM."""


class MintError(Exception):
    """Minting refuses something, as things are; the message says what and what to do."""


class CountersAheadError(MintError):
    """A key is to be activated by an OTP that its counters are beyond, or it has none."""

    def __init__(self, public_id: str) -> None:
        super().__init__(
            f"the counters of {public_id} are beyond this OTP's, or are lost: use a newer OTP of"
            " the key, and if that does not help void it and mint another"
        )


class MintedKey(NamedTuple):
    """A key that was made here. created_us: microseconds since the epoch."""

    kept: KeptRelease
    state: KeyState
    created_us: int

    @property
    def public_id(self) -> str:
        """The letters that every OTP of it begins with."""
        return self.kept.context.public_id


class MintingBook(Protocol):
    """Keeps minted keys. All changes are durable on return, with their acts in the journal.

    Raises StoreUnavailableError, and UnknownOutcomeError for a commit that was not confirmed.
    """

    async def add_minted(self, key: NewKey, kept: KeptRelease, *, act: Act) -> MintedKey:
        """Store record, release and entry at once; the key begins in pre-activation, inactive.

        KeyExistsError for a public id that is known, also if only counters are kept for it;
        StaleSealError for a record under a key that was retired meanwhile.
        """
        ...

    async def minted_key(self, public_id: str) -> MintedKey | None:
        """Return the last key that was minted under a public id, also one that is destroyed."""
        ...

    async def change_minted(
        self, before: MintedKey, after: MintedKey, *, counters: Advance | None = None, act: Act
    ) -> bool:
        """Put `after` in the place of `before` if that is what is kept; tell whether.

        Compare and set in one transaction. A key that becomes active is accepted from beyond
        `counters`, CountersAheadError when that would take them down; one that is destroyed loses
        its record and its counters.
        """
        ...

    async def store_time_us(self) -> int:
        """Return the store's time, microseconds since the epoch."""
        ...

    async def key_details(self, public_id: str) -> KeyDetails | None:
        """Return a key, minted or not."""
        ...

    def key(self, public_id: str) -> Awaitable[KeyRecord | None]:
        """Return the newest committed state of a key, or None."""
        ...
