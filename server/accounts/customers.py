"""The operator's desk for customers: what was agreed with them, and the people to talk to."""

from collections.abc import Iterable, Sequence

from server.accounts.customer_ports import (
    ContactCard,
    ContactDetails,
    ContactKind,
    CustomerBook,
    CustomerDetails,
    CustomerTerms,
    UnknownCustomerError,
)
from server.accounts.text import (
    InputError,
    checked_email,
    checked_name,
    checked_phone,
    checked_version,
)
from server.journal.acts import Cause

MAX_PAGE = 1000


class UnknownContactError(LookupError):
    """The customer has no contact with this id."""

    def __init__(self, customer_id: int, contact_id: int) -> None:
        super().__init__(f"customer {customer_id} has no contact {contact_id}; list its contacts")


class CustomerDesk:
    """What an operator may do with customers. Store errors pass through."""

    def __init__(self, book: CustomerBook) -> None:
        self._book = book

    async def add(self, terms: CustomerTerms, *, cause: Cause) -> CustomerDetails:
        """Create a customer. InputError."""
        return await self._book.add_customer(_checked(terms), act=cause.act("customer.add"))

    async def show(self, customer_id: int) -> CustomerDetails:
        """Return one customer, or raise UnknownCustomerError, as all methods below."""
        return _known(customer_id, await self._book.customer_details(customer_id))

    async def list(
        self, after: int, limit: int, only: int | None = None
    ) -> Sequence[CustomerDetails]:
        """Return up to `limit` customers with an id beyond `after`; only: this one or none."""
        return await self._book.list_customers(after, max(1, min(limit, MAX_PAGE)), only)

    async def change(
        self, customer_id: int, before: CustomerTerms, after: CustomerTerms, *, cause: Cause
    ) -> CustomerDetails:
        """Change what was agreed. InputError; CustomerChangedError when it is not `before`."""
        details = await self._book.change_customer(
            customer_id, before, _checked(after), act=cause.act("customer.change")
        )
        return _known(customer_id, details)

    async def accept(
        self, customer_id: int, version: str, accepted_by: str, *, cause: Cause
    ) -> CustomerDetails:
        """Note that the customer accepted the usage requirements. accepted_by: who there."""
        details = await self._book.add_acceptance(
            customer_id,
            checked_version(version),
            checked_name(accepted_by),
            act=cause.act("customer.accept"),
        )
        return _known(customer_id, details)

    async def add_contact(
        self,
        customer_id: int,
        *,
        name: str,
        email: str,
        phone: str,
        kinds: Iterable[ContactKind],
        cause: Cause,
    ) -> ContactDetails:
        """Add somebody to talk to at a customer's. InputError."""
        card = ContactCard(
            checked_name(name), checked_email(email), checked_phone(phone), frozenset(kinds)
        )
        if not card.kinds:
            raise InputError(f"give at least one kind of contact: {', '.join(ContactKind)}")
        details = await self._book.add_contact(customer_id, card, act=cause.act("contact.add"))
        if details is None:
            raise UnknownCustomerError(customer_id)
        return details

    async def contacts(self, customer_id: int) -> Sequence[ContactDetails]:
        """Return all contacts of a customer."""
        found = await self._book.list_contacts(customer_id)
        if found is None:
            raise UnknownCustomerError(customer_id)
        return found

    async def remove_contact(
        self, customer_id: int, contact_id: int, *, cause: Cause
    ) -> ContactDetails:
        """Remove a contact for good: of the person nothing stays. UnknownContactError."""
        details = await self._book.remove_contact(
            customer_id, contact_id, act=cause.act("contact.remove")
        )
        if details is None:
            await self.show(customer_id)
            raise UnknownContactError(customer_id, contact_id)
        return details


def _known(customer_id: int, details: CustomerDetails | None) -> CustomerDetails:
    if details is None:
        raise UnknownCustomerError(customer_id)
    return details


def _checked(terms: CustomerTerms) -> CustomerTerms:
    if terms.validation and terms.plan is None:
        raise InputError(
            "the validation add-on is bought with a plan: give the date the plan begins, or leave"
            " the add-on out"
        )
    return terms._replace(name=checked_name(terms.name))
