"""The book of customers: what was agreed with them, what they accepted, whom to talk to there."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.accounts.customer_ports import (
    Acceptance,
    ContactCard,
    ContactDetails,
    ContactKind,
    CustomerChangedError,
    CustomerDetails,
    CustomerTerms,
    Entity,
    Plan,
)
from server.accounts.states import (
    contact_state,
    contact_subject,
    customer_state,
    customer_subject,
)
from server.journal.acts import Act, Deed
from server.storage.books.delivery_book import erase_place
from server.storage.books.journal_book import record
from server.storage.books.sequences import next_number
from server.storage.books.transactions import Transactions
from server.storage.schema import (
    CONTACT_SEQUENCE,
    CUSTOMER_SEQUENCE,
    acceptance,
    client_owner,
    contact,
    customer,
)


class SqlCustomerBook:
    """Keeps `server.accounts.customer_ports.CustomerBook`."""

    _transactions: Transactions

    async def add_customer(self, terms: CustomerTerms, *, act: Act) -> CustomerDetails:
        """Create a customer under an id never used before."""
        async with self._transactions.writing() as connection:
            customer_id = await next_number(connection, CUSTOMER_SEQUENCE)
            now_us = await self._transactions.now_us(connection)
            await connection.execute(
                insert(customer).values(id=customer_id, created_us=now_us, **_columns(terms))
            )
            details = CustomerDetails(customer_id, terms, now_us, (), ())
            await self._write_down(connection, act, None, details)
            return details

    async def customer_details(self, customer_id: int) -> CustomerDetails | None:
        """Return one customer."""
        async with self._transactions.reading() as connection:
            return await _one(connection, _selected(customer_id))

    async def list_customers(
        self, after: int, limit: int, only: int | None = None
    ) -> Sequence[CustomerDetails]:
        """Return up to `limit` customers with an id beyond `after`, in order; only: this one."""
        page = select(customer).where(customer.c.id > after).order_by(customer.c.id).limit(limit)
        if only is not None:
            page = page.where(customer.c.id == only)
        async with self._transactions.reading() as connection:
            return await _details(connection, (await connection.execute(page)).all())

    async def change_customer(
        self, customer_id: int, before: CustomerTerms, after: CustomerTerms, *, act: Act
    ) -> CustomerDetails | None:
        """Replace a customer's terms; CustomerChangedError when they are not `before` any more."""
        async with self._transactions.writing() as connection:
            found = await _one(connection, _locked(customer_id))
            if found is None:
                return None
            if found.terms != before:
                raise CustomerChangedError(customer_id)
            await connection.execute(
                update(customer).where(customer.c.id == customer_id).values(**_columns(after))
            )
            changed = found._replace(terms=after)
            await self._write_down(connection, act, found, changed)
            return changed

    async def add_acceptance(
        self, customer_id: int, version: str, accepted_by: str, *, act: Act
    ) -> CustomerDetails | None:
        """Note, at the store's time, that the usage requirements were accepted."""
        async with self._transactions.writing() as connection:
            found = await _one(connection, _locked(customer_id))
            if found is None:
                return None
            given = Acceptance(version, await self._transactions.now_us(connection), accepted_by)
            number = len(found.acceptances) + 1
            await connection.execute(
                insert(acceptance).values(customer_id=customer_id, number=number, **given._asdict())
            )
            changed = found._replace(acceptances=(*found.acceptances, given))
            await self._write_down(connection, act, found, changed)
            return changed

    async def add_contact(
        self, customer_id: int, card: ContactCard, *, act: Act
    ) -> ContactDetails | None:
        """Add a contact under an id never used before."""
        async with self._transactions.writing() as connection:
            if await _one(connection, _locked(customer_id)) is None:
                return None
            contact_id = await next_number(connection, CONTACT_SEQUENCE)
            now_us = await self._transactions.now_us(connection)
            await connection.execute(
                insert(contact).values(
                    id=contact_id,
                    customer_id=customer_id,
                    name=card.name,
                    email=card.email,
                    phone=card.phone,
                    kinds=" ".join(sorted(kind.value for kind in card.kinds)),
                    created_us=now_us,
                )
            )
            details = ContactDetails(contact_id, customer_id, card, now_us)
            deed = Deed(act, contact_subject(contact_id), None, contact_state(details))
            await record(self._transactions.now_us, connection, deed)
            return details

    async def list_contacts(self, customer_id: int) -> Sequence[ContactDetails] | None:
        """Return all contacts of a customer, in order of their ids."""
        page = select(contact).where(contact.c.customer_id == customer_id).order_by(contact.c.id)
        async with self._transactions.reading() as connection:
            if await _one(connection, _selected(customer_id)) is None:
                return None
            return [_contact(row) for row in await connection.execute(page)]

    async def remove_contact(
        self, customer_id: int, contact_id: int, *, act: Act
    ) -> ContactDetails | None:
        """Remove a contact of this customer's and return what it was."""
        async with self._transactions.writing() as connection:
            removed = await connection.execute(
                delete(contact)
                .where(contact.c.id == contact_id, contact.c.customer_id == customer_id)
                .returning(contact)
            )
            row = removed.one_or_none()
            if row is None:
                return None
            details = _contact(row)
            await erase_place(connection, contact_id)
            deed = Deed(act, contact_subject(contact_id), contact_state(details), None)
            await record(self._transactions.now_us, connection, deed)
            return details

    async def _write_down(
        self,
        connection: AsyncConnection,
        act: Act,
        before: CustomerDetails | None,
        after: CustomerDetails,
    ) -> None:
        was = None if before is None else customer_state(before)
        deed = Deed(act, customer_subject(after.customer_id), was, customer_state(after))
        await record(self._transactions.now_us, connection, deed)


def _columns(terms: CustomerTerms) -> dict[str, object]:
    plan = terms.plan
    return {
        "name": terms.name,
        "entity": terms.entity.value,
        "plan_from": None if plan is None else plan.begins.isoformat(),
        "plan_to": None if plan is None else plan.ends.isoformat(),
        "validation": terms.validation,
    }


def _terms(row: Row[Any]) -> CustomerTerms:
    plan = None
    if row.plan_from is not None:
        plan = Plan(date.fromisoformat(row.plan_from), date.fromisoformat(row.plan_to))
    return CustomerTerms(row.name, Entity(row.entity), plan, row.validation)


def _selected(customer_id: int) -> Select[Any]:
    return select(customer).where(customer.c.id == customer_id)


def _locked(customer_id: int) -> Select[Any]:
    """Select a customer and let nobody change it until the commit."""
    return _selected(customer_id).with_for_update(key_share=True)


async def _one(connection: AsyncConnection, statement: Select[Any]) -> CustomerDetails | None:
    found = await _details(connection, (await connection.execute(statement)).all())
    return found[0] if found else None


async def _details(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[CustomerDetails]:
    ids = [row.id for row in rows]
    acceptances: dict[int, list[Acceptance]] = {}
    clients: dict[int, list[int]] = {}
    for row in await connection.execute(
        select(acceptance)
        .where(acceptance.c.customer_id.in_(ids))
        .order_by(acceptance.c.customer_id, acceptance.c.number)
    ):
        given = Acceptance(row.version, row.accepted_us, row.accepted_by)
        acceptances.setdefault(row.customer_id, []).append(given)
    for row in await connection.execute(
        select(client_owner)
        .where(client_owner.c.customer_id.in_(ids))
        .order_by(client_owner.c.client_id)
    ):
        clients.setdefault(row.customer_id, []).append(row.client_id)
    return [
        CustomerDetails(
            row.id,
            _terms(row),
            row.created_us,
            tuple(acceptances.get(row.id, ())),
            tuple(clients.get(row.id, ())),
        )
        for row in rows
    ]


def _contact(row: Row[Any]) -> ContactDetails:
    kinds = frozenset(ContactKind(kind) for kind in row.kinds.split())
    card = ContactCard(row.name, row.email, row.phone, kinds)
    return ContactDetails(row.id, row.customer_id, card, row.created_us)
