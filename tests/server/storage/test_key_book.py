"""The book of keys: imports are all or nothing, lists come in byte order."""

import asyncio

import pytest

from server.otp.ports import KeyDetails, KeyExistsError, Kind
from tests.server.acts import ACT
from tests.server.storage.entries import (
    OTHER,
    TOKEN,
    a_client,
    decide,
    new_key,
    otp,
    the_keys,
)
from tests.server.storage.keepers import Keeper, Store

MANY = [f"cccccccc{n:04d}" for n in range(2_100)]


async def test_a_new_key_has_never_been_used(store: Store) -> None:
    await store.add_keys([new_key(TOKEN, serial="1234")], act=ACT)
    details = await store.key_details(TOKEN)
    assert details is not None
    assert details._replace(created_us=0) == KeyDetails(
        public_id=TOKEN,
        serial="1234",
        active=True,
        version=1,
        generation=1,
        session=-1,
        use=-1,
        accepted_us=0,
        accepted_client=0,
        created_us=0,
    )
    assert details.created_us > 0


@pytest.mark.parametrize("count", [3, len(MANY)])
async def test_an_import_with_a_known_key_changes_nothing_and_names_the_first(
    store: Store, count: int
) -> None:
    await the_keys(store, TOKEN, OTHER)
    before = await store.list_keys(None, 10_000)
    incoming = [new_key(public_id) for public_id in [*MANY[:count], OTHER, TOKEN]]
    with pytest.raises(KeyExistsError) as refused:
        await store.add_keys(incoming, act=ACT)
    assert refused.value.public_id == OTHER
    assert await store.list_keys(None, 10_000) == before
    assert await store.key(MANY[0]) is None


@pytest.mark.parametrize("count", [3, len(MANY)])
async def test_an_import_that_brings_a_key_twice_changes_nothing(store: Store, count: int) -> None:
    with pytest.raises(KeyExistsError) as refused:
        await store.add_keys(
            [new_key(public_id) for public_id in [*MANY[:count], MANY[1]]], act=ACT
        )
    assert refused.value.public_id == MANY[1]
    assert await store.list_keys(None, 10) == []


async def test_a_large_import_is_there_as_a_whole(store: Store) -> None:
    client = await a_client(store)
    await the_keys(store, *MANY)
    listed = await store.list_keys(None, 10_000)
    assert [key.public_id for key in listed] == MANY
    assert {key.version for key in listed} == {1}
    key = await store.key(MANY[-1])
    assert key is not None
    assert key.version == 1
    assert await decide(store, otp(client, 1, 1, public_id=MANY[-1])) == [Kind.OK]
    off = await store.set_key_active(MANY[7], active=False, act=ACT)
    assert off is not None
    assert (off.version, off.active) == (2, False)
    await the_keys(store, TOKEN)
    with pytest.raises(KeyExistsError):
        await the_keys(store, MANY[7])


async def test_verifications_go_on_during_a_large_import(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await the_keys(store)
    importing = asyncio.create_task(the_keys(store, *MANY))
    use = 0
    while not importing.done():
        keeper.clock.pass_by(60)
        assert await decide(store, otp(client, 1 + use // 250, use % 250)) == [Kind.OK]
        use += 1
        await asyncio.sleep(0)
    await importing


async def test_of_two_imports_at_once_with_a_key_in_common_one_is_refused(
    keeper: Keeper, store: Store
) -> None:
    other = await keeper.open()
    found = await asyncio.gather(
        the_keys(store, *MANY[:700]),
        the_keys(other, *MANY[600:1300]),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in found) == ["KeyExistsError", "NoneType"]
    assert len(await store.list_keys(None, 10_000)) == 700, "one of them, and whole"


async def test_keys_are_listed_in_byte_order_page_by_page(store: Store) -> None:
    ids = ["", "b", "bb", "c", "cc", "vvvvvvvvvvvvvvvv", "d"]
    await the_keys(store, *ids)
    assert [key.public_id for key in await store.list_keys(None, 3)] == ["", "b", "bb"]
    assert [key.public_id for key in await store.list_keys("bb", 3)] == ["c", "cc", "d"]
    assert [key.public_id for key in await store.list_keys("d", 3)] == ["vvvvvvvvvvvvvvvv"]
    assert [key.public_id for key in await store.list_keys("", 1)] == ["b"]


async def test_an_unknown_key_cannot_be_switched_or_shown(store: Store) -> None:
    assert await store.set_key_active(TOKEN, active=False, act=ACT) is None
    assert await store.key_details(TOKEN) is None


async def test_an_import_of_nothing_is_fine(store: Store) -> None:
    await store.add_keys([], act=ACT)
    assert await store.list_keys(None, 10) == []
