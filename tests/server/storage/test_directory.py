"""The directory: workers read the newest committed state, whole."""

import asyncio

from server.accounts.ports import LimitOverride
from server.otp.ports import ClientRecord, KeyRecord, SealedApiKey
from tests.server.acts import ACT
from tests.server.storage.entries import OTHER, POLICY, TOKEN, a_client, the_keys
from tests.server.storage.keepers import Store
from validation.gcra import UNLIMITED, Policy, Rate

TIGHT = Policy(Rate.per_second(1, 1), UNLIMITED)
LONG_AGO_US = 1_000_000
FAR_AHEAD_US = 4_000_000_000_000_000


async def test_a_new_client_is_read_with_the_default_limit(store: Store) -> None:
    client = await a_client(store, signed_only=True)
    assert await store.client(client) == ClientRecord(
        client_id=client,
        version=1,
        active=True,
        signed_only=True,
        phishing_test=False,
        shadow=False,
        policy=POLICY,
        api_keys=(SealedApiKey(1, b"sealed"),),
    )


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.client(1) is None
    assert await store.key(TOKEN) is None
    assert await store.key("") is None


async def test_a_limit_of_its_own_is_read_while_it_holds(store: Store) -> None:
    client = await a_client(store)
    for expires_us, policy, shadow in [
        (None, TIGHT, True),
        (FAR_AHEAD_US, TIGHT, True),
        (LONG_AGO_US, POLICY, False),
    ]:
        await store.set_client_limit(client, LimitOverride(TIGHT, True, "", expires_us), act=ACT)
        record = await store.client(client)
        assert record is not None
        assert (record.policy, record.shadow) == (policy, shadow)


async def test_every_change_of_a_client_is_read_under_a_new_version(store: Store) -> None:
    client = await a_client(store)
    await store.set_client_active(client, active=False, act=ACT)
    await store.set_client_options(client, signed_only=True, phishing_test=True, act=ACT)
    await store.add_api_key(client, 2, b"second", act=ACT)
    record = await store.client(client)
    assert record is not None
    assert (record.version, record.active) == (4, False)
    assert (record.signed_only, record.phishing_test) == (True, True)
    assert record.api_keys == (SealedApiKey(1, b"sealed"), SealedApiKey(2, b"second"))


async def test_a_key_is_read_with_its_sealed_record(store: Store) -> None:
    await the_keys(store, TOKEN, "")
    assert await store.key(TOKEN) == KeyRecord(TOKEN, 1, True, 1, b"record of cccccccccccb")
    assert await store.key("") == KeyRecord("", 1, True, 1, b"record of ")
    await store.set_key_active(TOKEN, active=False, act=ACT)
    assert await store.key(TOKEN) == KeyRecord(TOKEN, 2, False, 1, b"record of cccccccccccb")


async def test_many_reads_at_once_each_get_their_own(store: Store) -> None:
    ids = [f"cccccccc{n:04d}" for n in range(300)]
    await the_keys(store, *ids)
    asked = [*ids, OTHER, *ids]
    found = await asyncio.gather(*map(store.key, asked))
    assert [key and key.public_id for key in found] == [*ids, None, *ids]
