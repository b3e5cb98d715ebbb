"""The book of deliveries: each planned once, noted after every attempt, proved when it ended."""

import asyncio
from datetime import date

import pytest

from server.accounts.customer_ports import ContactCard, ContactKind, CustomerTerms, Entity, Plan
from server.facts import NewFact
from server.leases import LeaseLostError
from server.ledger.entry import Kind
from server.notices.audience import FOR_REPORTS, Customer
from server.notices.delivery import (
    CALL,
    Delivery,
    Notice,
    Recipient,
    Role,
    Standing,
    Subject,
    after_attempt,
    in_vain,
)
from server.notices.monthly import SUBJECT, monthly_key, report_letters, was_planned
from server.notices.ports import Progress, Which
from server.notices.sending import Fate, Outcome, Way
from server.notices.words import Written
from tests.server.acts import ACT
from tests.server.memory_store import MemoryStore
from tests.server.storage.entries import a_client
from tests.server.storage.keepers import Keeper, Store

ANNA = Recipient(Role.PERSON, "anna", Way.EMAIL, "anna@example.org")
ZOE = Recipient(Role.CONTACT, "1", Way.EMAIL, "zoe@example.org", 1)
OK = Outcome(Fate.DELIVERED, "250 OK")
NOT_NOW = Outcome(Fate.FAILED, "450 later")
YEARS = Plan(date(2020, 1, 1), date(2990, 1, 1))


def notice(key: str = "fact 1", to: Recipient = ANNA, occasion: str = "incident.opened") -> Notice:
    about = Subject("incident", "12")
    return Notice(key, occasion, about, to, 1_000, "Größer", "Zeile\nZeile\n", {"type": "x"})


async def waiting(store: Store) -> list[Delivery]:
    return list(await store.waiting_deliveries(99))


async def proofs(store: Store) -> list[object]:
    if isinstance(store, MemoryStore):
        return list(store.proofs)
    found = await store.ledger_entries(0, 99)
    assert all(one.kind == Kind.NOTICE.value for one in found)
    return [one.payload.value for one in found if one.payload is not None]


async def test_a_notice_is_read_as_it_was_planned_and_due_at_once(store: Store) -> None:
    assert await store.plan_notices([notice(), notice(to=ZOE)]) == 2
    first, second = await waiting(store)
    assert (first.notice, second.notice) == (notice(), notice(to=ZOE))
    assert (first.standing, first.attempts, first.ended_us) == (Standing.WAITING, 0, None)
    assert abs(first.created_us - await store.store_time_us()) < 60_000_000
    listed = await store.list_deliveries(0, 9, Which())
    assert [(one.number, one.delivery) for one in listed] == [(1, first), (2, second)]
    assert await store.delivery(2) == listed[1]
    assert await store.delivery(3) is None


async def test_the_same_is_told_to_the_same_once_whoever_plans_it(
    keeper: Keeper, store: Store
) -> None:
    other = await keeper.open()
    same = [notice(f"fact {number % 3}") for number in range(9)]
    begun = await asyncio.gather(*(each.plan_notices(same) for each in (store, other) * 2))
    assert sum(begun) == 3
    assert len(await waiting(store)) == 3
    assert await store.plan_notices([]) == 0


async def test_where_a_reader_is_moves_with_what_it_planned(keeper: Keeper, store: Store) -> None:
    await store.subscribe("notices")
    await keeper.append_facts([NewFact("a", "1", {}), NewFact("b", "1", {})])
    await store.plan_notices([notice()], Progress("notices", 1))
    assert [fact.position for fact in await store.unread_facts("notices", 9)] == [2]
    with pytest.raises(LookupError):
        await store.plan_notices([notice("fact 2")], Progress("nobody", 2))
    if not isinstance(store, MemoryStore):
        assert len(await waiting(store)) == 1


async def test_calls_come_first_then_the_oldest(store: Store) -> None:
    await store.plan_notices([notice("fact 1"), notice("fact 2")])
    await store.plan_notices([notice("call 12", occasion=CALL)])
    keys = [one.notice.key for one in await waiting(store)]
    assert keys == ["call 12", "fact 1", "fact 2"]
    assert [one.notice.key for one in await store.waiting_deliveries(1)] == ["call 12"]


async def test_a_new_call_comes_before_those_that_fail_again_and_again(store: Store) -> None:
    await store.plan_notices([notice("call 1", occasion=CALL), notice("call 2", occasion=CALL)])
    now_us = await store.store_time_us()
    failed = [
        after_attempt(one, NOT_NOW, now_us)._replace(next_us=now_us) for one in await waiting(store)
    ]
    await store.note_attempts(failed, None)
    await store.plan_notices([notice("call 3", occasion=CALL)])
    assert [one.notice.key for one in await waiting(store)] == ["call 3", "call 1", "call 2"]


async def test_what_failed_waits_and_what_ended_is_proved(store: Store) -> None:
    await store.plan_notices([notice(), notice(to=ZOE)])
    first, second = await waiting(store)
    now_us = await store.store_time_us()
    later = after_attempt(first, NOT_NOW, now_us)
    done = after_attempt(second, OK, now_us)
    await store.note_attempts([later, done], None)
    assert await waiting(store) == []
    assert [one.delivery for one in await store.list_deliveries(0, 9, Which())] == [later, done]
    (one,) = await proofs(store)
    assert isinstance(one, dict)
    assert one["recipient"] == {"role": "contact", "name": "1", "way": "email", "customer": 1}
    assert (one["standing"], one["attempts"], one["about"]) == ("delivered", 1, "incident 12")
    assert "example" not in str(one)


async def test_what_has_ended_stays_as_it_ended(store: Store) -> None:
    await store.plan_notices([notice()])
    (one,) = await waiting(store)
    now_us = await store.store_time_us()
    await store.note_attempts([after_attempt(one, OK, now_us)], None)
    await store.note_attempts([in_vain(one, now_us)], None)
    await store.note_attempts([after_attempt(one, NOT_NOW, now_us)], None)
    (kept,) = await store.list_deliveries(0, 9, Which())
    assert (kept.delivery.standing, kept.delivery.detail) == (Standing.DELIVERED, "250 OK")
    assert len(await proofs(store)) == 1


async def test_an_older_attempt_does_not_undo_a_newer_one(store: Store) -> None:
    await store.plan_notices([notice()])
    (one,) = await waiting(store)
    now_us = await store.store_time_us()
    once = after_attempt(one, NOT_NOW, now_us)
    twice = after_attempt(once, NOT_NOW, now_us)
    await store.note_attempts([twice], None)
    await store.note_attempts([once], None)
    (kept,) = await store.list_deliveries(0, 9, Which())
    assert kept.delivery.attempts == 2


async def test_whoever_lost_the_lease_plans_and_notes_nothing(keeper: Keeper, store: Store) -> None:
    lease = await store.acquire_lease("notices", "one", 60_000_000)
    assert lease is not None
    await store.plan_notices([notice()], None, lease)
    (one,) = await waiting(store)
    await keeper.hours_pass()
    with pytest.raises(LeaseLostError):
        await store.plan_notices([notice("fact 2")], None, lease)
    with pytest.raises(LeaseLostError):
        await store.note_attempts([in_vain(one, 1)], lease)
    with pytest.raises(LeaseLostError):
        await store.prune_deliveries(1, lease)
    assert len(await store.list_deliveries(0, 9, Which())) == 1
    assert await proofs(store) == []


async def test_deliveries_are_listed_by_what_they_are_about_and_how_they_stand(
    store: Store,
) -> None:
    other = notice("fact 9")._replace(subject=Subject("maintenance", "12"))
    await store.plan_notices([notice(), other])
    first = (await waiting(store))[0]
    await store.note_attempts([after_attempt(first, OK, 5)], None)
    numbers = {
        which: [one.number for one in await store.list_deliveries(0, 9, which)]
        for which in (
            Which(("incident", "12")),
            Which(("maintenance", "12")),
            Which(("incident", "1")),
            Which(standing=Standing.WAITING),
            Which(("incident", "12"), Standing.WAITING),
        )
    }
    assert list(numbers.values()) == [[1], [2], [], [2], []]
    assert [one.number for one in await store.list_deliveries(1, 9, Which())] == [2]
    assert [one.number for one in await store.list_deliveries(0, 1, Which())] == [1]


async def test_a_test_is_in_the_journal(store: Store) -> None:
    (begun,) = await store.plan_asked([notice("test 1")], act=ACT)
    assert begun.number == 1
    (entry,) = await store.latest_entries(1)
    assert (entry.deed.subject.kind, entry.deed.subject.id) == ("notice", "anna")
    assert entry.deed.after == {"deliveries": [1]}


async def test_only_what_ended_long_ago_is_removed(store: Store) -> None:
    await store.plan_notices([notice(f"fact {number}") for number in range(3)])
    first, second, _ = await waiting(store)
    await store.note_attempts([after_attempt(first, OK, 100), in_vain(second, 200)], None)
    assert await store.prune_deliveries(200) == 1
    assert await store.prune_deliveries(200) == 0
    assert [one.number for one in await store.list_deliveries(0, 9, Which())] == [2, 3]


async def test_customers_are_told_who_have_the_add_on_today_and_contacts_for_it(
    store: Store,
) -> None:
    terms = CustomerTerms("a", Entity.AB, YEARS, validation=True)
    for changed in (
        terms,
        terms._replace(validation=False),
        terms._replace(plan=Plan(date(2020, 1, 1), date(2021, 1, 1))),
        terms._replace(plan=Plan(date(2990, 1, 1), date(2991, 1, 1))),
        terms,
        terms,
    ):
        await store.add_customer(changed, act=ACT)

    async def talk_to(customer: int, name: str, *kinds: ContactKind) -> None:
        card = ContactCard(name, f"{name}@example.org", "", frozenset(kinds))
        await store.add_contact(customer, card, act=ACT)

    await talk_to(1, "s", ContactKind.SUPPORT)
    await talk_to(1, "i", ContactKind.INCIDENT, ContactKind.BILLING)
    await talk_to(5, "b", ContactKind.BILLING)
    await talk_to(5, "t", ContactKind.SUPPORT)
    await talk_to(6, "c", ContactKind.SECURITY)
    await talk_to(2, "n", ContactKind.INCIDENT)
    await a_client(store)
    await store.assign_client(1, 1, act=ACT)
    assert [tuple(one) for one in await store.told_customers()] == [
        (1, frozenset({1}), ((2, "i@example.org"),)),
        (5, frozenset(), ((4, "t@example.org"),)),
        (6, frozenset(), ()),
    ]


async def test_whose_contacts_are_told_is_the_readers_choice(store: Store) -> None:
    for _ in range(2):
        await store.add_customer(CustomerTerms("a", Entity.AB, YEARS, validation=True), act=ACT)
    for customer, kind in ((1, ContactKind.SUPPORT), (1, ContactKind.INCIDENT), (2, "incident")):
        card = ContactCard("n", f"{kind}@example.org", "", frozenset({ContactKind(kind)}))
        await store.add_contact(customer, card, act=ACT)
    assert [one.contacts for one in await store.told_customers(FOR_REPORTS)] == [
        ((1, "support@example.org"),),
        ((3, "incident@example.org"),),
    ]
    billing = await store.told_customers((ContactKind.BILLING,))
    assert [one.contacts for one in billing] == [(), ()]


async def test_a_month_is_planned_once_whoever_plans_it_and_found_by_its_customer(
    keeper: Keeper,
) -> None:
    one, other = await keeper.open(), await keeper.open()
    written = Written("Report, 2026-10", "Größen\n", "2026-10", "2026-10")
    customer = Customer(3, frozenset(), ((1, "zoe@example.org"), (2, "max@example.org")))
    letters = report_letters(customer, written, monthly_key(3, "2026-10"), 5)
    begun = await asyncio.gather(one.plan_notices(letters), other.plan_notices(letters))
    assert sorted(begun) == [0, 2]
    listed = await one.list_deliveries(0, 9, Which((SUBJECT, "3")))
    found = [each.delivery for each in listed]
    assert [each.notice for each in found] == letters
    assert was_planned(found, 3, "2026-10")
    assert not was_planned(found, 3, "2026-09")
    assert not was_planned(found, 4, "2026-10")


async def test_of_a_contact_that_is_removed_no_address_stays(store: Store) -> None:
    await store.add_customer(CustomerTerms("a", Entity.AB, YEARS, validation=True), act=ACT)
    card = ContactCard("z", "zoe@example.org", "", frozenset({ContactKind.INCIDENT}))
    added = await store.add_contact(1, card, act=ACT)
    assert added is not None
    person = ZOE._replace(role=Role.PERSON)
    await store.plan_notices([notice(to=ZOE), notice(to=person), notice(to=ANNA)])
    first = (await waiting(store))[0]
    await store.note_attempts([after_attempt(first, OK, 5)], None)
    await store.remove_contact(1, added.contact_id, act=ACT)
    found = await store.list_deliveries(0, 9, Which())
    places = [one.delivery.notice.recipient.place for one in found]
    assert places == ["", "zoe@example.org", "anna@example.org"]
