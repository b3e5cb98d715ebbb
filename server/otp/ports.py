"""What the verification room needs of the outside: three narrow seams and their values.

`HotStore` is the hot path: one call per batch, one outcome per entry. `Directory` reads
what a worker may cache. `KeyBook` is the administration of keys. Storage implements them;
one contract suite holds every keeper to the same promises.
"""

import enum
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from server.journal.acts import Act
from validation.gcra import Policy

SIGNED_BUCKET = 0
"""Budget bucket of signed requests; unsigned ones spend from 1..UNSIGNED_BUCKETS."""

UNSIGNED_BUCKETS = 256
"""Unsigned requests are spread over this many buckets by source prefix (docs/adr)."""


class StoreError(Exception):
    """The store could not decide. The answer is BACKEND_ERROR."""


class StoreUnavailableError(StoreError):
    """Nothing was written: the store refused or could not be reached before the commit."""


class StaleSealError(StoreUnavailableError):
    """A record was sealed under a key that was retired before the record could be stored."""

    def __init__(self, sealed_under: str) -> None:
        super().__init__(
            f"nothing was stored: it was sealed under {sealed_under}, which was retired meanwhile"
            " by a rotation of the vault's keys. Do it again: it will be sealed under the new key"
        )


class FencedError(StoreUnavailableError):
    """A restored store does not know yet which OTPs were used since its backup was made."""


class UnknownOutcomeError(StoreError):
    """A commit may or may not have happened. Never retried into OK."""


class Advance(NamedTuple):
    """Counters of an opened OTP, to be compared and set.

    session: 0..0x7fff; use: 0..255; clock: the key's own 24-bit clock (8 Hz).
    phishing_test: also refuse an OTP that was held back (client option).
    """

    session: int
    use: int
    clock: int
    phishing_test: bool = False


class Entry(NamedTuple):
    """One verification in a batch. A batch holds at most one entry per public id.

    client_id, client_version: as the worker knows the client; another version is stale.
    bucket: which budget of the client pays (SIGNED_BUCKET or 1..UNSIGNED_BUCKETS).
    free: this session (client, OTP, nonce) has paid already.
    public_id, key_version: the key as the worker knows it; version 0 = "no such key".
    advance: None for a charge-only entry (a bad OTP): it pays and changes no key.
    nonce: the request's nonce, "" for protocol 1.
    """

    client_id: int
    client_version: int
    bucket: int
    free: bool
    public_id: str
    key_version: int
    advance: Advance | None
    nonce: str


class Kind(enum.IntEnum):
    """What the store decided about one entry, after the commit."""

    OK = 0
    REPLAYED_OTP = 1
    REPLAYED_REQUEST = 2
    DELAYED_OTP = 3
    CHARGED = 4  # charge-only entry: paid, nothing else to decide
    LIMITED = 5  # over the limit: nothing was consumed
    STALE_CLIENT = 6  # absent, inactive or another version: reload, try once more
    STALE_KEY = 7  # the same for the key
    MISSING_COUNTER = 8  # key known, counters missing: fail closed, alarm


class Outcome(NamedTuple):
    """The decision on one entry.

    remaining: sessions left in the bucket's tighter policy; retry_us: microseconds until
    one more session is admitted (0 when it is now); shadowed: over the limit, let through
    because the client is in shadow mode.
    """

    kind: Kind
    remaining: int = 0
    retry_us: int = 0
    shadowed: bool = False


class HotStore(Protocol):
    """Spends budgets and advances counters, durably."""

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Decide a batch in order and commit it; outcomes[i] belongs to batch[i].

        At most MAX_BATCH entries, at most one per public id when `advance` is set. Returns
        only after the commit is durable. Raises StoreUnavailableError (nothing was written) or
        UnknownOutcomeError (perhaps it was).
        """
        ...


MAX_BATCH = 512


class SealedApiKey(NamedTuple):
    """One live API key of a client. key_id counts from 1 per client; older keys first."""

    key_id: int
    record: bytes


class ClientRecord(NamedTuple):
    """A client as stored. policy is the one in force (an expired override is not)."""

    client_id: int
    version: int
    active: bool
    signed_only: bool
    phishing_test: bool
    shadow: bool
    policy: Policy
    api_keys: tuple[SealedApiKey, ...]


class KeyRecord(NamedTuple):
    """A YubiKey's sealed OTP key as stored."""

    public_id: str
    version: int
    active: bool
    generation: int
    record: bytes


class Directory(Protocol):
    """Reads what workers cache. Raises StoreUnavailableError.

    Who asks while a read is under way shares the next one with everybody who does: a flood
    of questions about one record is a trickle of reads. Nobody gets a read that began before
    he asked: it could miss the change that he relies on.
    """

    def client(self, client_id: int) -> Awaitable[ClientRecord | None]:
        """Return the newest committed state of a client, or None."""
        ...

    def key(self, public_id: str) -> Awaitable[KeyRecord | None]:
        """Return the newest committed state of a key, or None."""
        ...


class NewKey(NamedTuple):
    """A key to be created, already sealed. serial: decimal text or ""."""

    public_id: str
    generation: int
    record: bytes
    serial: str


class KeyDetails(NamedTuple):
    """A key as an operator sees it; times are microseconds since the epoch, 0 = never."""

    public_id: str
    serial: str
    active: bool
    version: int
    generation: int
    session: int
    use: int
    accepted_us: int
    accepted_client: int
    created_us: int


class KeyExistsError(Exception):
    """A public id of an import is already known. public_id: the first such id."""

    def __init__(self, public_id: str) -> None:
        super().__init__(f"public id {public_id!r} is already known")
        self.public_id = public_id


class KeyNotActivatedError(Exception):
    """A key that was minted here is to be switched on without a test OTP of it."""

    def __init__(self, public_id: str) -> None:
        super().__init__(
            f"the key {public_id} was minted here and was never activated: nothing shows yet that a"
            " YubiKey holds it. Activate it with an OTP of it: keystead key activate"
        )


class KeyBook(Protocol):
    """Administration of keys. All changes are durable when the call returns.

    Their acts go into the journal in the same transaction.
    """

    async def add_keys(self, keys: Sequence[NewKey], *, act: Act) -> None:
        """Create all keys with counters at (-1, -1), or none: KeyExistsError."""
        ...

    async def key_details(self, public_id: str) -> KeyDetails | None:
        """Return one key."""
        ...

    async def list_keys(self, after: str | None, limit: int) -> Sequence[KeyDetails]:
        """Return up to `limit` keys with public id greater than `after`, in order."""
        ...

    async def set_key_active(self, public_id: str, *, active: bool, act: Act) -> KeyDetails | None:
        """Switch a key on or off; bumps its version, so it holds for the next batch.

        KeyNotActivatedError for one that was minted and waits for its activation.
        """
        ...
