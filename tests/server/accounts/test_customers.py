"""The desk for customers: what is entered can be shown, an add-on has its plan, people can go."""

from datetime import date

import pytest

from server.accounts.customer_ports import (
    ContactKind,
    CustomerTerms,
    Entity,
    Plan,
    UnknownCustomerError,
)
from server.accounts.customers import CustomerDesk, UnknownContactError
from server.accounts.text import InputError
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from validation.gcra import UNLIMITED, Policy

TERMS = CustomerTerms(" Example AB ", Entity.AB, Plan(date(2026, 1, 1), date(2027, 1, 1)), True)


@pytest.fixture
def desk() -> CustomerDesk:
    policy = Policy(UNLIMITED, UNLIMITED)
    return CustomerDesk(MemoryStore(clock=StillClock(), default_policy=policy))


async def ann(desk: CustomerDesk, **changes: str) -> int:
    card = {"name": "Ann", "email": "ann@example.org", "phone": "+46 8 123 45", **changes}
    kinds = [ContactKind.SECURITY]
    return (await desk.add_contact(1, **card, kinds=kinds, cause=CAUSE)).contact_id


async def test_a_customer_is_made_changed_and_listed(desk: CustomerDesk) -> None:
    made = await desk.add(TERMS, cause=CAUSE)
    assert made.terms.name == "Example AB"
    changed = await desk.change(1, made.terms, made.terms._replace(entity=Entity.INC), cause=CAUSE)
    assert changed.terms.entity is Entity.INC
    assert await desk.show(1) == changed
    assert await desk.list(0, 10) == [changed]
    assert await desk.list(0, 10, 2) == []


async def test_the_validation_add_on_is_bought_with_a_plan(desk: CustomerDesk) -> None:
    with pytest.raises(InputError, match="bought with a plan"):
        await desk.add(TERMS._replace(plan=None), cause=CAUSE)
    made = await desk.add(TERMS, cause=CAUSE)
    with pytest.raises(InputError, match="bought with a plan"):
        await desk.change(1, made.terms, made.terms._replace(plan=None), cause=CAUSE)
    assert (await desk.show(1)).terms == made.terms


async def test_an_acceptance_says_what_when_and_who(desk: CustomerDesk) -> None:
    await desk.add(TERMS, cause=CAUSE)
    details = await desk.accept(1, "2026-07", "Ann", cause=CAUSE)
    (given,) = details.acceptances
    assert (given.version, given.accepted_by) == ("2026-07", "Ann")
    assert given.accepted_us == details.created_us
    for version, who in (("", "Ann"), ("v" * 33, "Ann"), ("1", ""), ("1\n", "Ann")):
        with pytest.raises(InputError):
            await desk.accept(1, version, who, cause=CAUSE)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "Ann\u202e"},
        {"email": "ann"},
        {"email": "ann@"},
        {"email": "a b@example.org"},
        {"email": "ann@example.org\n"},
        {"email": "ann@exa\u0000mple.org"},
        {"email": "a" * 65 + "@example.org"},
        {"phone": "call me"},
        {"phone": "+"},
        {"phone": "1" * 40},
    ],
)
async def test_s11_a_card_that_cannot_be_used_is_refused(
    desk: CustomerDesk, changes: dict[str, str]
) -> None:
    await desk.add(TERMS, cause=CAUSE)
    with pytest.raises(InputError):
        await ann(desk, **changes)
    assert await desk.contacts(1) == []


async def test_a_contact_without_a_kind_is_refused(desk: CustomerDesk) -> None:
    await desk.add(TERMS, cause=CAUSE)
    with pytest.raises(InputError, match="at least one kind"):
        await desk.add_contact(
            1, name="Ann", email="a@example.org", phone="", kinds=[], cause=CAUSE
        )


async def test_contacts_come_and_go(desk: CustomerDesk) -> None:
    await desk.add(TERMS, cause=CAUSE)
    number = await ann(desk, phone="")
    assert [one.contact_id for one in await desk.contacts(1)] == [number]
    await desk.remove_contact(1, number, cause=CAUSE)
    assert await desk.contacts(1) == []
    with pytest.raises(UnknownContactError, match=f"no contact {number}"):
        await desk.remove_contact(1, number, cause=CAUSE)


async def test_who_is_not_there_is_named(desk: CustomerDesk) -> None:
    for act in (
        desk.show(7),
        desk.change(7, TERMS, TERMS, cause=CAUSE),
        desk.accept(7, "1", "Ann", cause=CAUSE),
        desk.contacts(7),
        desk.remove_contact(7, 1, cause=CAUSE),
        desk.add_contact(
            7,
            name="Ann",
            email="a@example.org",
            phone="",
            kinds=[ContactKind.BILLING],
            cause=CAUSE,
        ),
    ):
        with pytest.raises(UnknownCustomerError, match="no customer 7"):
            await act
