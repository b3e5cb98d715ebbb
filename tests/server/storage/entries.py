"""Entries, keys and clients as the contract's tests need them, in a few words."""

from collections.abc import Sequence

from server.otp.ports import SIGNED_BUCKET, Advance, Entry, Kind, NewKey, Outcome
from tests.server.acts import ACT
from tests.server.storage.keepers import Store
from validation.gcra import UNLIMITED, Policy, Rate

BURST = 5
STEP_US = 100_000
POLICY = Policy(Rate(STEP_US, (BURST - 1) * STEP_US), UNLIMITED)

TOKEN = "cccccccccccb"
OTHER = "cccccccccccd"
NONCE = "nonceofsixteenxx"


async def a_client(store: Store, **options: bool) -> int:
    """Create a client and return its id; its version is 1."""
    client_id = await store.reserve_client_id()
    flags = {"signed_only": False, "phishing_test": False, **options}
    await store.add_client(client_id, "someone", b"sealed", **flags, act=ACT)
    return client_id


async def the_keys(store: Store, *public_ids: str) -> None:
    """Create keys; their versions are 1."""
    await store.add_keys([new_key(public_id) for public_id in public_ids or (TOKEN,)], act=ACT)


def new_key(public_id: str, *, serial: str = "123") -> NewKey:
    return NewKey(public_id, 1, b"record of " + public_id.encode(), serial)


def otp(
    client_id: int,
    session: int,
    use: int,
    *,
    public_id: str = TOKEN,
    nonce: str = NONCE,
    clock: int = 0,
    client_version: int = 1,
    key_version: int = 1,
    bucket: int = SIGNED_BUCKET,
    free: bool = False,
    phishing_test: bool = False,
) -> Entry:
    """Return the entry of an opened OTP."""
    advance = Advance(session, use, clock, phishing_test)
    return Entry(client_id, client_version, bucket, free, public_id, key_version, advance, nonce)


def bad_otp(
    client_id: int,
    *,
    public_id: str = TOKEN,
    key_version: int = 1,
    bucket: int = SIGNED_BUCKET,
    free: bool = False,
) -> Entry:
    """Return the entry of an OTP that did not open: it pays and changes nothing."""
    return Entry(client_id, 1, bucket, free, public_id, key_version, None, NONCE)


async def decide(store: Store, *entries: Entry) -> list[Kind]:
    """Decide one batch and return the kinds."""
    return kinds(await store.spend_and_advance(entries))


def kinds(outcomes: Sequence[Outcome]) -> list[Kind]:
    return [outcome.kind for outcome in outcomes]
