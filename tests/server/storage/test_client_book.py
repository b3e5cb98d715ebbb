"""The book of clients: ids are never reused, every change bumps the version, rotation is safe."""

import asyncio

import pytest

from server.accounts.ports import ApiKeyDetails, LimitOverride
from server.journal.acts import Deed, Subject
from tests.server.acts import ACT
from tests.server.storage.entries import POLICY, a_client, bad_otp, decide
from tests.server.storage.keepers import Keeper, Store
from validation.gcra import UNLIMITED, Policy, Rate

LIMIT = LimitOverride(
    Policy(Rate.per_second(20, 100), Rate.per_day(1000)), True, "a campaign", 1_900_000_000_000_000
)


async def test_client_ids_count_from_one_and_are_never_given_twice(
    keeper: Keeper, store: Store
) -> None:
    other = await keeper.open()
    assert await store.reserve_client_id() == 1
    taken = await asyncio.gather(*((store, other)[n % 2].reserve_client_id() for n in range(10)))
    assert sorted(taken) == list(range(2, 12))
    # An id that no client was made of is gone, too.
    assert await a_client(store) == 12


async def test_a_client_is_shown_as_it_was_added(store: Store) -> None:
    client = await store.reserve_client_id()
    details = await store.add_client(
        client, "Zoë's VPN", b"sealed", signed_only=True, phishing_test=True, act=ACT
    )
    assert details == await store.client_details(client)
    assert (details.name, details.active, details.version) == ("Zoë's VPN", True, 1)
    assert (details.signed_only, details.phishing_test, details.limit) == (True, True, None)
    assert details.api_keys == (ApiKeyDetails(1, details.created_us),)
    assert details.usage == ()
    assert details.created_us > 0


async def test_a_limit_is_kept_with_its_reason_and_can_be_taken_back(store: Store) -> None:
    client = await a_client(store)
    details = await store.set_client_limit(client, LIMIT, act=ACT)
    assert details is not None
    assert (details.limit, details.version) == (LIMIT, 2)
    details = await store.set_client_limit(client, None, act=ACT)
    assert details is not None
    assert (details.limit, details.version) == (None, 3)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(Rate(0, 0), UNLIMITED),
        Policy(Rate(1, -1), UNLIMITED),
        Policy(UNLIMITED, Rate(1, 2**62)),
        Policy(Rate(2**62, 0), UNLIMITED),
    ],
)
async def test_a_limit_that_cannot_be_calculated_with_is_refused(
    store: Store, policy: Policy
) -> None:
    client = await a_client(store)
    with pytest.raises(ValueError, match="a limit needs"):
        await store.set_client_limit(client, LimitOverride(policy, False, "", None), act=ACT)
    details = await store.client_details(client)
    assert details is not None
    assert (details.limit, details.version) == (None, 1)


async def test_options_are_changed_under_a_new_version(store: Store) -> None:
    client = await a_client(store)
    details = await store.set_client_options(client, signed_only=True, phishing_test=False, act=ACT)
    assert details is not None
    assert (details.signed_only, details.phishing_test, details.version) == (True, False, 2)


async def test_a_rotation_adds_the_next_key_and_ends_without_the_oldest(store: Store) -> None:
    client = await a_client(store)
    with pytest.raises(ValueError, match="only one"):
        await store.remove_oldest_api_key(client, act=ACT)
    with pytest.raises(ValueError, match="the next"):
        await store.add_api_key(client, 3, b"no", act=ACT)
    for number in (2, 3):
        details = await store.add_api_key(client, number, b"new", act=ACT)
        assert details is not None
        assert [key.key_id for key in details.api_keys] == [number - 1, number]
        with pytest.raises(ValueError, match="two"):
            await store.add_api_key(client, number + 1, b"no", act=ACT)
        details = await store.remove_oldest_api_key(client, act=ACT)
        assert details is not None
        assert [key.key_id for key in details.api_keys] == [number]
    details = await store.client_details(client)
    assert details is not None
    assert details.version == 5, "refusals change nothing"


async def test_of_two_rotations_at_once_one_is_refused(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    other = await keeper.open()
    found = await asyncio.gather(
        store.add_api_key(client, 2, b"a", act=ACT),
        other.add_api_key(client, 2, b"b", act=ACT),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in found) == ["ClientDetails", "ValueError"]


async def test_what_is_not_there_cannot_be_changed(store: Store) -> None:
    assert await store.client_details(1) is None
    assert await store.set_client_active(1, active=True, act=ACT) is None
    assert await store.set_client_limit(1, LIMIT, act=ACT) is None
    assert await store.set_client_options(1, signed_only=True, phishing_test=True, act=ACT) is None
    assert await store.add_api_key(1, 1, b"x", act=ACT) is None
    assert await store.remove_oldest_api_key(1, act=ACT) is None


async def test_clients_are_listed_in_order_page_by_page(store: Store) -> None:
    for _ in range(5):
        await a_client(store)
    assert [client.client_id for client in await store.list_clients(0, 2)] == [1, 2]
    page = await store.list_clients(2, 10)
    assert [client.client_id for client in page] == [3, 4, 5]
    assert {len(client.api_keys) for client in page} == {1}


async def test_usage_shows_the_budgets(keeper: Keeper, store: Store) -> None:
    client = await a_client(store)
    await decide(store, bad_otp(client, key_version=0))
    details = await store.client_details(client)
    assert details is not None
    (usage,) = details.usage
    assert usage.burst_tat_us == keeper.clock.us + POLICY.burst.step_us


async def test_named_values_are_kept(store: Store) -> None:
    assert await store.meta("salt") is None
    await store.set_meta("salt", "one")
    await store.set_meta("salt", "two")
    assert await store.meta("salt") == "two"


async def test_a_store_that_works_says_so(store: Store) -> None:
    await store.probe()


async def test_of_several_proposals_for_a_named_value_one_stands(keeper: Keeper) -> None:
    handles = [await keeper.open() for _ in range(3)]
    stands = await asyncio.gather(
        *(handle.settle_meta("salt", str(n)) for n, handle in enumerate(handles))
    )
    assert len(set(stands)) == 1
    assert await handles[0].meta("salt") == stands[0]
    assert await handles[0].settle_meta("salt", "late") == stands[0]


async def test_a_named_value_is_swapped_by_who_knows_it_and_the_journal_tells(
    keeper: Keeper,
) -> None:
    handles = [await keeper.open() for _ in range(3)]
    await handles[0].set_meta("keys", "one")
    deed = Deed(ACT, Subject("data_keys", ""), {}, {"made": "two"})
    swapped = await asyncio.gather(*(one.swap_meta("keys", "one", "two", deed) for one in handles))
    assert sorted(swapped) == [False, False, True]
    assert await handles[0].meta("keys") == "two"
    assert not await handles[0].swap_meta("absent", "one", "two", deed)
