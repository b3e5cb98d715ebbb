"""What the accounts room needs to keep customers and the people to talk to there."""

import enum
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, Protocol

from server.journal.acts import Act


class Entity(enum.StrEnum):
    """Which company a plan is with: its holidays and business hours hold for it."""

    INC = "inc"
    AB = "ab"


class ContactKind(enum.StrEnum):
    """What somebody is to be told or asked about."""

    SUPPORT = "support"
    SECURITY = "security"
    BILLING = "billing"
    INCIDENT = "incident"


class Plan(NamedTuple):
    """A Priority Support plan: its term [begins, ends), local dates of the entity."""

    begins: date
    ends: date


class Acceptance(NamedTuple):
    """That a customer accepted a version of the usage requirements, when, and who there said so."""

    version: str
    accepted_us: int
    accepted_by: str


class CustomerTerms(NamedTuple):
    """What was agreed with a customer and can be changed. validation: the add-on is bought."""

    name: str
    entity: Entity
    plan: Plan | None
    validation: bool


class CustomerDetails(NamedTuple):
    """A customer. acceptances: all of them, the newest last; times in microseconds."""

    customer_id: int
    terms: CustomerTerms
    created_us: int
    acceptances: tuple[Acceptance, ...]
    client_ids: tuple[int, ...]


class ContactCard(NamedTuple):
    """A person at a customer's. phone: "" for none."""

    name: str
    email: str
    phone: str
    kinds: frozenset[ContactKind]


class ContactDetails(NamedTuple):
    """A contact as it is kept."""

    contact_id: int
    customer_id: int
    card: ContactCard
    created_us: int


class UnknownCustomerError(LookupError):
    """There is no customer with this id."""

    def __init__(self, customer_id: int) -> None:
        super().__init__(f"there is no customer {customer_id}; list the customers to see their ids")


class CustomerChangedError(Exception):
    """Somebody else changed the customer since it was looked at."""

    def __init__(self, customer_id: int) -> None:
        super().__init__(
            f"customer {customer_id} was changed at the same time by somebody else: look at it"
            " and try again"
        )


class CustomerBook(Protocol):
    """Keeps customers. All changes are durable when the call returns, and in the journal.

    Methods that change something return its new details, or None when it does not exist.
    """

    async def add_customer(self, terms: CustomerTerms, *, act: Act) -> CustomerDetails:
        """Create a customer under an id never used before."""
        ...

    async def customer_details(self, customer_id: int) -> CustomerDetails | None:
        """Return one customer."""
        ...

    async def list_customers(
        self, after: int, limit: int, only: int | None = None
    ) -> Sequence[CustomerDetails]:
        """Return up to `limit` customers with an id beyond `after`, in order; only: this one."""
        ...

    async def change_customer(
        self, customer_id: int, before: CustomerTerms, after: CustomerTerms, *, act: Act
    ) -> CustomerDetails | None:
        """Replace a customer's terms; CustomerChangedError when they are not `before` any more."""
        ...

    async def add_acceptance(
        self, customer_id: int, version: str, accepted_by: str, *, act: Act
    ) -> CustomerDetails | None:
        """Note, at the store's time, that the usage requirements were accepted."""
        ...

    async def add_contact(
        self, customer_id: int, card: ContactCard, *, act: Act
    ) -> ContactDetails | None:
        """Add a contact under an id never used before."""
        ...

    async def list_contacts(self, customer_id: int) -> Sequence[ContactDetails] | None:
        """Return all contacts of a customer, in order of their ids."""
        ...

    async def remove_contact(
        self, customer_id: int, contact_id: int, *, act: Act
    ) -> ContactDetails | None:
        """Remove a contact of this customer's and return what it was."""
        ...
