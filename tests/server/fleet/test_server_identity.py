"""The fleet server's identity: one for a store, sealed there, the same after a restore."""

import asyncio

import pytest

from hsm.keyfile import SealingKey
from hsm.rings import KeyRing, Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import RecordRefusedError
from server.fleet.server_identity import NAME, ServerIdentity, is_made, open_identity, reseal
from server.journal.acts import Actor, Cause
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.office import DEFAULT

CAUSE = Cause(Actor.local(0, "root"))
FIRST, SECOND = SealingKey.of(bytes(32)), SealingKey.of(bytes(range(32)))


def a_vault(*keys: SealingKey) -> SealedVault:
    """Return a vault that seals with the first key and opens with the others as well."""
    ring = KeyRing(keys[0], tuple(keys[1:]))
    return SealedVault(Rings(ring, ring), opened=1)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=StillClock(), default_policy=DEFAULT)


async def test_the_first_use_makes_it_and_every_later_one_finds_it(store: MemoryStore) -> None:
    assert not await is_made(store)
    made = await open_identity(store, a_vault(FIRST), cause=CAUSE)
    again = await open_identity(store, a_vault(FIRST), cause=CAUSE)
    assert made.public_key == again.public_key
    assert await is_made(store)


async def test_of_several_machines_that_begin_at_once_all_are_one_server(
    store: MemoryStore,
) -> None:
    found = await asyncio.gather(
        *(open_identity(store, a_vault(FIRST), cause=CAUSE) for _ in range(4))
    )
    assert len({one.public_key for one in found}) == 1


async def test_the_store_and_a_repr_hold_no_secret(store: MemoryStore) -> None:
    secret = bytes(range(32))
    identity = ServerIdentity(secret)
    sealed = await identity.sealed(a_vault(FIRST))
    await store.settle_meta(NAME, sealed)
    assert secret.hex() not in repr(identity)
    opened = await open_identity(store, a_vault(FIRST), cause=CAUSE)
    assert opened.public_key == identity.public_key


async def test_it_follows_a_rotation_although_the_old_key_is_gone(store: MemoryStore) -> None:
    made = await open_identity(store, a_vault(FIRST), cause=CAUSE)
    assert not await reseal(store, a_vault(FIRST), made, cause=CAUSE)
    assert await reseal(store, a_vault(SECOND), made, cause=CAUSE)
    found = await open_identity(store, a_vault(SECOND), cause=CAUSE)
    assert found.public_key == made.public_key


async def test_one_that_does_not_open_is_replaced_and_the_journal_says_so(
    store: MemoryStore,
) -> None:
    made = await open_identity(store, a_vault(FIRST), cause=CAUSE)
    other = await open_identity(store, a_vault(SECOND), cause=CAUSE)
    assert other.public_key != made.public_key
    found = await open_identity(store, a_vault(SECOND), cause=CAUSE)
    assert found.public_key == other.public_key


async def test_a_damaged_value_opens_nothing() -> None:
    with pytest.raises(RecordRefusedError):
        await a_vault(FIRST).open_secret("fleet server identity", b"nonsense")
