"""The book of customers: ids are never reused, changes are whole, removed people are gone."""

import asyncio
from datetime import date

import pytest

from server.accounts.customer_ports import (
    ContactCard,
    ContactKind,
    CustomerChangedError,
    CustomerTerms,
    Entity,
    Plan,
    UnknownCustomerError,
)
from tests.server.acts import ACT
from tests.server.storage.entries import a_client
from tests.server.storage.keepers import Keeper, Store

PLAN = Plan(date(2026, 2, 28), date(2027, 2, 28))
TERMS = CustomerTerms("Škoda a. s.", Entity.AB, PLAN, True)
CARD = ContactCard(
    "Zoë", "zoe@example.org", "+46 8 1234", frozenset({ContactKind.BILLING, ContactKind.INCIDENT})
)


async def test_a_customer_is_shown_as_it_was_added(store: Store) -> None:
    details = await store.add_customer(TERMS, act=ACT)
    assert (details.customer_id, details.terms) == (1, TERMS)
    assert details.created_us > 0
    assert await store.customer_details(1) == details
    bare = await store.add_customer(CustomerTerms("b", Entity.INC, None, False), act=ACT)
    assert await store.customer_details(2) == bare
    assert [one.customer_id for one in await store.list_customers(0, 10)] == [1, 2]
    assert [one.customer_id for one in await store.list_customers(1, 10)] == [2]
    assert [one.customer_id for one in await store.list_customers(0, 1)] == [1]
    assert await store.list_customers(0, 10, 2) == [bare]
    assert await store.list_customers(2, 10, 2) == []


async def test_a_change_of_what_is_not_there_any_more_is_refused(store: Store) -> None:
    await store.add_customer(TERMS, act=ACT)
    other = TERMS._replace(name="other", plan=None, validation=False)
    changed = await store.change_customer(1, TERMS, other, act=ACT)
    assert changed is not None
    assert changed.terms == other
    with pytest.raises(CustomerChangedError):
        await store.change_customer(1, TERMS, TERMS._replace(name="late"), act=ACT)
    assert await store.customer_details(1) == changed


async def test_of_two_changes_at_once_one_is_refused(keeper: Keeper, store: Store) -> None:
    await store.add_customer(TERMS, act=ACT)
    other = await keeper.open()
    found = await asyncio.gather(
        store.change_customer(1, TERMS, TERMS._replace(name="a"), act=ACT),
        other.change_customer(1, TERMS, TERMS._replace(name="b"), act=ACT),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in found) == [
        "CustomerChangedError",
        "CustomerDetails",
    ]


async def test_every_acceptance_is_kept_in_order(store: Store) -> None:
    details = await store.add_customer(TERMS, act=ACT)
    for version, who in (("2026-01", "Ann"), ("2026-07", "Bo"), ("2026-07", "Cy")):
        given = await store.add_acceptance(1, version, who, act=ACT)
        assert given is not None
        details = given
        assert details.acceptances[-1][::2] == (version, who)
    assert await store.customer_details(1) == details
    assert [one.accepted_by for one in details.acceptances] == ["Ann", "Bo", "Cy"]
    assert all(one.accepted_us > 0 for one in details.acceptances)


async def test_contacts_are_kept_listed_and_removed_by_their_customer_only(store: Store) -> None:
    for _ in range(2):
        await store.add_customer(TERMS, act=ACT)
    details = await store.add_contact(1, CARD, act=ACT)
    assert details is not None
    assert (details.customer_id, details.card) == (1, CARD)
    second = await store.add_contact(2, CARD._replace(phone=""), act=ACT)
    assert second is not None
    assert await store.list_contacts(1) == [details]
    assert await store.list_contacts(2) == [second]
    assert await store.remove_contact(2, details.contact_id, act=ACT) is None
    assert await store.remove_contact(1, details.contact_id, act=ACT) == details
    assert await store.remove_contact(1, details.contact_id, act=ACT) is None
    assert await store.list_contacts(1) == []
    third = await store.add_contact(1, CARD, act=ACT)
    assert third is not None
    assert third.contact_id not in {details.contact_id, second.contact_id}


async def test_the_journal_knows_no_person(store: Store) -> None:
    await store.add_customer(TERMS, act=ACT)
    await store.add_acceptance(1, "2026-01", "Ann Canary", act=ACT)
    contact = await store.add_contact(1, CARD, act=ACT)
    assert contact is not None
    await store.remove_contact(1, contact.contact_id, act=ACT)
    entries = await store.journal_entries(0, 10)
    kinds = [entry.deed.subject.kind for entry in entries]
    assert kinds == ["customer", "customer", "contact", "contact"]
    said = str(entries)
    for personal in ("Ann Canary", CARD.name, CARD.email, CARD.phone):
        assert personal not in said
    assert "2026-01" in said
    assert "billing" in said


async def test_a_client_belongs_to_one_customer_or_nobody(store: Store) -> None:
    for _ in range(2):
        await store.add_customer(TERMS, act=ACT)
    client = await store.reserve_client_id()
    details = await store.add_client(
        client, "c", b"x", signed_only=False, phishing_test=False, customer_id=2, act=ACT
    )
    assert details.customer_id == 2
    nobodys = await a_client(store)
    assert [one.client_id for one in await store.list_clients(0, 9, 2)] == [client]
    assert [one.client_id for one in await store.list_clients(client, 9, 2)] == []
    assert len(await store.list_clients(0, 9)) == 2
    for owner, owned in ((1, {1: (client,), 2: ()}), (None, {1: (), 2: ()})):
        moved = await store.assign_client(client, owner, act=ACT)
        assert moved is not None
        assert moved.customer_id == owner
        assert await store.client_details(client) == moved
        for customer, ids in owned.items():
            found = await store.customer_details(customer)
            assert found is not None
            assert found.client_ids == ids
    assert (await store.assign_client(nobodys, 1, act=ACT)) is not None
    entry = (await store.latest_entries(1))[0]
    assert entry.deed.before is not None
    assert entry.deed.after is not None
    assert (entry.deed.before["customer"], entry.deed.after["customer"]) == (None, 1)


async def test_a_client_of_no_known_customer_is_not_made(store: Store) -> None:
    client = await store.reserve_client_id()
    end = await store.journal_end()
    with pytest.raises(UnknownCustomerError, match="no customer 7"):
        await store.add_client(
            client, "c", b"x", signed_only=False, phishing_test=False, customer_id=7, act=ACT
        )
    assert await store.client_details(client) is None
    existing = await a_client(store)
    with pytest.raises(UnknownCustomerError):
        await store.assign_client(existing, 7, act=ACT)
    found = await store.client_details(existing)
    assert found is not None
    assert (found.customer_id, found.version) == (None, 1)
    assert (await store.journal_end()).sequence == end.sequence + 1


async def test_what_is_not_there_cannot_be_changed(store: Store) -> None:
    assert await store.customer_details(1) is None
    assert await store.change_customer(1, TERMS, TERMS, act=ACT) is None
    assert await store.add_acceptance(1, "v", "w", act=ACT) is None
    assert await store.add_contact(1, CARD, act=ACT) is None
    assert await store.list_contacts(1) is None
    assert await store.remove_contact(1, 1, act=ACT) is None
    assert await store.assign_client(1, None, act=ACT) is None
    assert (await store.journal_end()).sequence == 0
