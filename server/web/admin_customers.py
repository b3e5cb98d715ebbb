"""The admin API on customers and the people to talk to there: `/api/v1/customers`."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field, model_validator

from server.accounts.access import Permission
from server.accounts.customer_ports import (
    ContactDetails,
    ContactKind,
    CustomerDetails,
    CustomerTerms,
    Entity,
)
from server.accounts.customers import CustomerDesk
from server.accounts.plan_term import plan_from
from server.accounts.text import MAX_EMAIL, MAX_NAME, MAX_PHONE, MAX_VERSION
from server.web.admin_request import (
    CALLER,
    answer,
    moment,
    page_limit,
    read_cause,
    read_json,
    read_query,
    whole_number,
    write_down,
)
from server.web.json_types import Body, Day, Moment, Shown
from server.web.parameters import AFTER, LARGEST_NUMBER, LIMIT, REASON
from server.web.route import Reach, Route

_ONE = "/customers/{customer_id}"
_CONTACTS = _ONE + "/contacts"

Name = Annotated[str, Field(max_length=MAX_NAME)]


class NewPlan(Body):
    """The term of a plan. to: the first day after it; twelve months after `from` without it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"from": "2026-02-15"}]})

    begins: Annotated[Day, Field(alias="from")]
    ends: Annotated[Day | None, Field(alias="to")] = None


class NewCustomer(Body):
    """A customer to be made. validation: whether the validation add-on is bought."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Example AB", "entity": "ab", "plan": {"from": "2026-02-15"}}]
        }
    )

    name: Name
    entity: Annotated[Entity, Field(strict=False)]
    plan: NewPlan | None = None
    validation: bool = False


class CustomerChanges(Body):
    """What is to be changed; what is left out stays as it is, a plan of null is none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Example Nordic AB"}]})

    name: Name | None = None
    entity: Annotated[Entity | None, Field(strict=False)] = None
    plan: NewPlan | None = None
    validation: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "CustomerChanges":
        if not self.model_fields_set:
            raise ValueError("give at least one of name, entity, plan and validation")
        return self


class NewAcceptance(Body):
    """That somebody at the customer's accepted a version of the usage requirements."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": "2026-01", "by": "Ann Example, CTO"}]}
    )

    version: Annotated[str, Field(max_length=MAX_VERSION)]
    by: Name


class NewContact(Body):
    """Somebody to talk to at a customer's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Ann Example", "email": "ann@example.org", "kinds": ["security"]}]
        }
    )

    name: Name
    email: Annotated[str, Field(max_length=MAX_EMAIL)]
    phone: Annotated[str, Field(max_length=MAX_PHONE)] = ""
    kinds: Annotated[
        list[Annotated[ContactKind, Field(strict=False)]],
        Field(min_length=1, max_length=len(ContactKind)),
    ]


class PlanShown(Shown):
    """The term of a plan. to: the first day after it."""

    begins: Annotated[Day, Field(alias="from")]
    ends: Annotated[Day, Field(alias="to")]


class AcceptanceShown(Shown):
    """An acceptance of the usage requirements."""

    version: str
    accepted: Moment
    by: str


class CustomerShown(Shown):
    """A customer. usage_requirements: the newest of the acceptances."""

    id: int
    name: str
    entity: Entity
    plan: PlanShown | None
    validation: bool
    usage_requirements: AcceptanceShown | None
    acceptances: list[AcceptanceShown]
    clients: list[int]
    created: Moment


class CustomersShown(Shown):
    """A page of customers. next: `after` of the page behind it, null at the end."""

    customers: list[CustomerShown]
    next: int | None


class ContactShown(Shown):
    """A contact."""

    id: int
    customer: int
    name: str
    email: str
    phone: str
    kinds: list[ContactKind]
    created: Moment


class ContactsShown(Shown):
    """All contacts of a customer."""

    contacts: list[ContactShown]


def show_customer(details: CustomerDetails) -> CustomerShown:
    """Return a customer as it is answered."""
    name, entity, plan, validation = details.terms
    acceptances = [
        AcceptanceShown(version=version, accepted=moment(accepted_us), by=by)
        for version, accepted_us, by in details.acceptances
    ]
    shown_plan = None
    if plan is not None:
        shown_plan = PlanShown.model_validate({"from": plan.begins, "to": plan.ends})
    return CustomerShown(
        id=details.customer_id,
        name=name,
        entity=entity,
        plan=shown_plan,
        validation=validation,
        usage_requirements=acceptances[-1] if acceptances else None,
        acceptances=acceptances,
        clients=list(details.client_ids),
        created=moment(details.created_us),
    )


def show_contact(details: ContactDetails) -> ContactShown:
    """Return a contact as it is answered."""
    name, email, phone, kinds = details.card
    return ContactShown(
        id=details.contact_id,
        customer=details.customer_id,
        name=name,
        email=email,
        phone=phone,
        kinds=sorted(kinds),
        created=moment(details.created_us),
    )


class AdminCustomers:
    """Handlers over the operator's desk for customers."""

    def __init__(self, desk: CustomerDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write = Permission.CUSTOMER_READ, Permission.CUSTOMER_WRITE
        get, post = HTTPMethod.GET, HTTPMethod.POST
        made, why = HTTPStatus.CREATED, (REASON,)
        return [
            Route(
                get,
                "/customers",
                self.list_customers,
                read,
                Reach.NARROWED,
                CustomersShown,
                query=(AFTER, LIMIT),
            ),
            # What was agreed is the service's to change, not a customer's own operator's.
            Route(
                post,
                "/customers",
                self.add,
                write,
                Reach.SERVICE,
                CustomerShown,
                made,
                why,
                NewCustomer,
            ),
            Route(get, _ONE, self.show, read, Reach.CUSTOMER, CustomerShown),
            Route(
                HTTPMethod.PATCH,
                _ONE,
                self.change,
                write,
                Reach.SERVICE,
                CustomerShown,
                query=why,
                body=CustomerChanges,
            ),
            Route(
                post,
                _ONE + "/acceptances",
                self.accept,
                write,
                Reach.CUSTOMER,
                CustomerShown,
                made,
                why,
                NewAcceptance,
            ),
            Route(
                get,
                _CONTACTS,
                self.list_contacts,
                Permission.CONTACT_READ,
                Reach.CUSTOMER,
                ContactsShown,
            ),
            Route(
                post,
                _CONTACTS,
                self.add_contact,
                Permission.CONTACT_WRITE,
                Reach.CUSTOMER,
                ContactShown,
                made,
                why,
                NewContact,
            ),
            Route(
                HTTPMethod.DELETE,
                _CONTACTS + "/{contact_id}",
                self.remove_contact,
                Permission.CONTACT_WRITE,
                Reach.CUSTOMER,
                ContactShown,
                query=why,
            ),
        ]

    async def list_customers(self, request: web.Request) -> web.Response:
        """List customers by id; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        found = await self._desk.list(after, limit, request[CALLER].customer)
        more = found[-1].customer_id if len(found) == limit else None
        customers = [show_customer(details) for details in found]
        return answer(request, CustomersShown(customers=customers, next=more))

    async def add(self, request: web.Request) -> web.Response:
        """Make a customer."""
        body = await read_json(request, NewCustomer)
        plan = None if body.plan is None else plan_from(body.plan.begins, body.plan.ends)
        terms = CustomerTerms(body.name, body.entity, plan, body.validation)
        details = await self._desk.add(terms, cause=read_cause(request))
        write_down(request, "customer.add", customer=details.customer_id)
        return answer(request, show_customer(details))

    async def show(self, request: web.Request) -> web.Response:
        """Show one customer."""
        read_query(request, ())
        return answer(request, show_customer(await self._desk.show(_customer_id(request))))

    async def change(self, request: web.Request) -> web.Response:
        """Change what was agreed with a customer."""
        body = await read_json(request, CustomerChanges)
        cause = read_cause(request)
        before = (await self._desk.show(_customer_id(request))).terms
        after = before
        if body.name is not None:
            after = after._replace(name=body.name)
        if body.entity is not None:
            after = after._replace(entity=body.entity)
        if "plan" in body.model_fields_set:
            plan = None if body.plan is None else plan_from(body.plan.begins, body.plan.ends)
            after = after._replace(plan=plan)
        if body.validation is not None:
            after = after._replace(validation=body.validation)
        details = await self._desk.change(_customer_id(request), before, after, cause=cause)
        write_down(request, "customer.change", customer=details.customer_id)
        return answer(request, show_customer(details))

    async def accept(self, request: web.Request) -> web.Response:
        """Note that the customer accepted a version of the usage requirements."""
        body = await read_json(request, NewAcceptance)
        details = await self._desk.accept(
            _customer_id(request), body.version, body.by, cause=read_cause(request)
        )
        write_down(request, "customer.accept", customer=details.customer_id)
        return answer(request, show_customer(details))

    async def list_contacts(self, request: web.Request) -> web.Response:
        """List the contacts of a customer."""
        read_query(request, ())
        found = await self._desk.contacts(_customer_id(request))
        contacts = [show_contact(details) for details in found]
        return answer(request, ContactsShown(contacts=contacts))

    async def add_contact(self, request: web.Request) -> web.Response:
        """Add a contact to a customer."""
        body = await read_json(request, NewContact)
        details = await self._desk.add_contact(
            _customer_id(request),
            name=body.name,
            email=body.email,
            phone=body.phone,
            kinds=body.kinds,
            cause=read_cause(request),
        )
        return _changed(request, "contact.add", details)

    async def remove_contact(self, request: web.Request) -> web.Response:
        """Remove a contact for good and answer with what it was."""
        details = await self._desk.remove_contact(
            _customer_id(request),
            int(request.match_info["contact_id"]),
            cause=read_cause(request),
        )
        return _changed(request, "contact.remove", details)


def _customer_id(request: web.Request) -> int:
    return int(request.match_info["customer_id"])


def _changed(request: web.Request, action: str, details: ContactDetails) -> web.Response:
    # By number only: a log is no place for people.
    write_down(request, action, customer=details.customer_id, contact=details.contact_id)
    return answer(request, show_contact(details))
