"""The book of operators: names are given once, tokens end when they are told to."""

import asyncio

import pytest

from server.accounts.access import Role
from server.accounts.customer_ports import CustomerTerms, Entity, UnknownCustomerError
from server.accounts.operator_ports import (
    MAX_LIVE_TOKENS,
    OperatorExistsError,
    TooManyTokensError,
)
from tests.server.acts import ACT
from tests.server.storage.keepers import Keeper, Store

LATER_US = 4_000_000_000_000_000
DIGEST = bytes(range(32))


async def add(store: Store, name: str = "ann", customer: int | None = None) -> None:
    await store.add_operator(
        name, Role.SUPPORT, customer, digest=DIGEST, expires_us=LATER_US, act=ACT
    )


async def a_customer(store: Store) -> int:
    terms = CustomerTerms("c", Entity.AB, None, False)
    return (await store.add_customer(terms, act=ACT)).customer_id


async def test_an_operator_is_shown_as_it_was_added(store: Store) -> None:
    customer = await a_customer(store)
    details = await store.add_operator(
        "ann", Role.SUPPORT, customer, digest=DIGEST, expires_us=LATER_US, act=ACT
    )
    assert details == await store.operator_details("ann")
    assert details[:4] == ("ann", Role.SUPPORT, customer, True)
    (token,) = details.tokens
    assert (token.number, token.expires_us) == (1, LATER_US)
    assert (token.last_used_us, token.revoked_us) == (None, None)
    assert min(details.created_us, token.created_us) > 0


async def test_a_name_is_given_once_whatever_became_of_its_first_owner(store: Store) -> None:
    await add(store)
    await store.change_operator("ann", active=False, act=ACT)
    with pytest.raises(OperatorExistsError, match="ann"):
        await add(store)
    assert await store.token_record(2) is None


async def test_an_operator_of_no_known_customer_is_not_made(store: Store) -> None:
    with pytest.raises(UnknownCustomerError):
        await add(store, customer=7)
    assert await store.operator_details("ann") is None
    assert (await store.journal_end()).sequence == 0


async def test_operators_are_listed_by_name_and_by_customer(store: Store) -> None:
    customer = await a_customer(store)
    for name, owner in (("b", None), ("a.z", customer), ("a", None), ("a-z", None)):
        await add(store, name, owner)
    assert [one.name for one in await store.list_operators("", 9)] == ["a", "a-z", "a.z", "b"]
    assert [one.name for one in await store.list_operators("a", 2)] == ["a-z", "a.z"]
    assert [one.name for one in await store.list_operators("", 9, customer)] == ["a.z"]
    assert {len(one.tokens) for one in await store.list_operators("", 9)} == {1}


async def test_switches_and_roles_are_changed_one_at_a_time(store: Store) -> None:
    await add(store)
    off = await store.change_operator("ann", active=False, act=ACT)
    assert off is not None
    assert (off.active, off.role) == (False, Role.SUPPORT)
    other = await store.change_operator("ann", role=Role.ADMIN, act=ACT)
    assert other is not None
    assert (other.active, other.role) == (False, Role.ADMIN)
    assert await store.operator_details("ann") == other
    record = await store.token_record(1)
    assert record is not None
    assert (record.active, record.role) == (False, Role.ADMIN)


async def test_a_token_is_found_by_number_with_whose_it_is(store: Store) -> None:
    customer = await a_customer(store)
    await add(store, "ann", customer)
    await add(store, "bo")
    await store.add_token("ann", digest=b"\xff" * 32, expires_us=LATER_US + 1, act=ACT)
    found = [await store.token_record(number) for number in (1, 2, 3)]
    assert [one and (one.operator, one.customer_id) for one in found] == [
        ("ann", customer),
        ("bo", None),
        ("ann", customer),
    ]
    last = found[2]
    assert last is not None
    assert (last.digest, last.token.number) == (b"\xff" * 32, 3)
    assert last.token.expires_us == LATER_US + 1


async def test_a_token_is_revoked_once_and_by_its_owner_only(store: Store) -> None:
    await add(store, "ann")
    await add(store, "bo")
    end = await store.journal_end()
    assert await store.revoke_token("bo", 1, act=ACT) is None
    assert await store.journal_end() == end
    details = await store.revoke_token("ann", 1, act=ACT)
    assert details is not None
    assert details.tokens[0].revoked_us is not None
    end = await store.journal_end()
    assert await store.revoke_token("ann", 1, act=ACT) == details
    assert await store.journal_end() == end
    record = await store.token_record(1)
    assert record is not None
    assert record.token == details.tokens[0]


async def test_live_tokens_are_bounded_and_dead_ones_make_room(
    keeper: Keeper, store: Store
) -> None:
    await add(store)
    for _ in range(2, MAX_LIVE_TOKENS + 1):
        await store.add_token("ann", digest=DIGEST, expires_us=LATER_US, act=ACT)
    other = await keeper.open()
    with pytest.raises(TooManyTokensError):
        await other.add_token("ann", digest=DIGEST, expires_us=LATER_US, act=ACT)
    await store.revoke_token("ann", MAX_LIVE_TOKENS, act=ACT)
    both = await asyncio.gather(
        store.add_token("ann", digest=DIGEST, expires_us=LATER_US, act=ACT),
        other.add_token("ann", digest=DIGEST, expires_us=LATER_US, act=ACT),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in both) == ["OperatorDetails", "TooManyTokensError"]


async def test_an_expired_token_does_not_count(store: Store) -> None:
    await add(store)
    for _ in range(2 * MAX_LIVE_TOKENS):
        assert await store.add_token("ann", digest=DIGEST, expires_us=1, act=ACT) is not None


async def test_the_last_use_is_kept_to_the_minute_and_is_no_act(store: Store) -> None:
    await add(store)
    end = await store.journal_end()
    minute_us = 60_000_000
    for used_us, kept_us in (
        (minute_us, minute_us),
        (2 * minute_us - 1, minute_us),
        (2 * minute_us, 2 * minute_us),
        (3, 3),  # the clock went back
    ):
        await store.note_token_use(1, used_us)
        details = await store.operator_details("ann")
        assert details is not None
        assert details.tokens[0].last_used_us == kept_us
    assert await store.journal_end() == end


async def test_the_journal_has_no_digest(store: Store) -> None:
    await add(store)
    await store.add_token("ann", digest=b"\xfe" * 32, expires_us=LATER_US, act=ACT)
    await store.revoke_token("ann", 1, act=ACT)
    await store.change_operator("ann", role=Role.VIEWER, act=ACT)
    entries = await store.journal_entries(0, 10)
    assert [entry.deed.subject.id for entry in entries] == ["ann"] * 4
    said = str(entries)
    assert DIGEST.hex() not in said
    assert "fe" * 32 not in said
    state = entries[2].deed.after
    assert state is not None
    assert [one["revoked"] for one in state["tokens"]] == [True, False]  # type: ignore[index,union-attr,call-overload]


async def test_who_is_not_there_cannot_be_changed(store: Store) -> None:
    assert await store.operator_details("ann") is None
    assert await store.change_operator("ann", active=True, act=ACT) is None
    assert await store.add_token("ann", digest=DIGEST, expires_us=1, act=ACT) is None
    assert await store.revoke_token("ann", 1, act=ACT) is None
    assert await store.token_record(1) is None
    assert (await store.journal_end()).sequence == 0
