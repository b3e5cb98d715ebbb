"""S14: route x role x customer, every cell asserted.

The routes are the table's, what a role may is the documents' table, and everything a cell needs
(paths, queries, bodies) comes from what the route declares: a new route is in the matrix by itself.
"""

import re
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from server.accounts.access import Role
from server.accounts.customer_ports import ContactKind, CustomerTerms, Entity
from server.fleet.claiming import AskedClaim
from server.fleet.enrolment import Asked
from server.fleet.holder_desk import Named
from server.fleet.holders import HolderKind
from server.fleet.receipt import Receipt
from server.incidents.desk import NewIncident
from server.incidents.severity import Situation
from server.maintenance.plan import Component
from server.web.admin import Desks, admin_routes
from server.web.bearers import Bearers
from server.web.lockout import Lockout
from server.web.route import Reach, Route
from server.web.source import SourceReader
from tests.docs.test_accounts import documented_grants
from tests.server.acts import CAUSE
from tests.server.fleet.advisory_files import document, signed
from tests.server.fleet.reports import HOST, a_key, a_report
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.office import DEFAULT, Answer, Office, office_desks, open_office

ALPHA, BETA, ABSENT = 1, 2, 999
KEY_LINE = "7,cccccccccccc,a1b2c3d4e5f6,00112233445566778899aabbccddeeff,000000000000,,\n"
GRANTED = documented_grants()
UPLOADS = {
    "text/csv": b"#\n",
    "text/csv; header=present": b"serial,person,kind\n7,Anna Berg,primary\n",
    "application/x-keystead-import": b"end\n",
    "application/json": signed(document(edition=9)),
}
OBJECTS = {Reach.CUSTOMER, Reach.CLIENT, Reach.OPERATOR}


def routes() -> tuple[Route, ...]:
    clock = StillClock()
    return admin_routes(
        office_desks(MemoryStore(clock=clock, default_policy=DEFAULT), clock, Path("imports"))
    ).routes


ROUTES = routes()


class World(NamedTuple):
    """A served admin door with two customers, and a token for every role and customer."""

    office: Office
    tokens: dict[tuple[Role, int | None], str]
    named: dict[str, str]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Return a world in which every path names something of alpha's."""
    clock = StillClock()
    store = MemoryStore(clock=clock, default_policy=DEFAULT)
    desks = office_desks(store, clock, tmp_path / "imports")
    tokens = await populate(desks, store)
    bearers = Bearers(
        desks.operators,
        lockout=Lockout(attempts=1, lockout_s=60, clock=clock),
        sources=SourceReader(),
    )
    office = await open_office(tmp_path, authenticate=bearers, store=store, clock=clock)
    named = {
        "customer_id": str(ALPHA),
        "client_id": "1",
        "contact_id": "1",
        "name": "alpha-victim",
        "number": "1",
        "public_id": "cccccccccccc",
        "sequence": "1",
        "day": "2026-10-03",
        "maintenance_id": "1",
        "host_id": HOST,
        "key_id": "serial:10000001",
        "advisory_id": "YSA-2024-03",
        "delivery_number": "1",
        "incident_id": "1",
        "file": "counters",
    }
    yield World(office, tokens, named)
    await office.serving.stop()


async def populate(desks: Desks, store: MemoryStore) -> dict[tuple[Role, int | None], str]:
    for name in ("alpha", "beta"):
        terms = CustomerTerms(name, Entity.AB, None, False)
        customer = (await desks.customers.add(terms, cause=CAUSE)).customer_id
        await desks.clients.add(f"{name} mail", customer=customer, cause=CAUSE)
        await desks.operators.add(f"{name}-victim", Role.VIEWER, customer=customer, cause=CAUSE)
        await desks.customers.add_contact(
            customer,
            name=name,
            email=f"{name}@example.org",
            phone="",
            kinds=[ContactKind.SECURITY],
            cause=CAUSE,
        )
    await desks.maintenance.schedule(
        Component.UPLOAD,
        "Database upgrade",
        start="2030-03-09T22:00:00Z",
        end="2030-03-09T23:00:00Z",
        cause=CAUSE,
    )
    new = NewIncident(Component.VALIDATION, "Nobody gets an answer", Situation(unavailable=True))
    await desks.incidents.open(new, cause=CAUSE)
    await desks.notices.test("anna", cause=CAUSE)
    await desks.keys.import_ksm(KEY_LINE, cause=CAUSE)
    token, _ = await desks.fleet.create_token("laptop", days=1, replaces=False, cause=CAUSE)
    await store.enrol(Asked(token, HOST, "laptop", bytes(32), "linux", "0.1.0"))
    await store.take_reports([a_report(a_key())])
    await desks.holders.entrust(
        Named(10_000_001), "Anna Berg", HolderKind.PRIMARY, handed_over=False, cause=CAUSE
    )
    spare = AskedClaim(
        "ab" * 16, HOST, 1, date(2026, 1, 1), "serial:10000001", "Anna Berg", HolderKind.SPARE
    )
    assert await store.take_claim(spare) is Receipt.NEW
    tokens: dict[tuple[Role, int | None], str] = {}
    for role in Role:
        for prefix, kept_to in (("all", None), ("alpha", ALPHA), ("beta", BETA)):
            name = f"{prefix}-{role}"
            issued = await desks.operators.add(name, role, customer=kept_to, cause=CAUSE)
            tokens[role, kept_to] = issued.token
    return tokens


async def ask(world: World, route: Route, token: str, named: dict[str, str]) -> Answer:
    """Make the call that a route declares: with everything it needs, and nothing it refuses."""
    path = route.path.format(**named)
    needed = [
        f"{one.name}={one.schema.get('enum', ['because'])[0]}"
        for one in route.query
        if one.required
    ]
    if needed:
        path += "?" + "&".join(needed)
    if route.upload:
        return await world.office.call(
            route.method, path, raw=UPLOADS[route.upload], content_type=route.upload, token=token
        )
    body = None if route.body is None else example(route)
    return await world.office.call(route.method, path, body, token=token)


def example(route: Route) -> Any:  # noqa: ANN401 - JSON
    """Return the example of a body that the OpenAPI document shows."""
    assert route.body is not None
    return route.body.model_json_schema()["examples"][0]


def expected_refusal(route: Route, role: Role, customer: int | None) -> int | None:
    if route.permission not in GRANTED[role]:
        return 403
    if route.reach is Reach.SERVICE and customer is not None:
        return 403
    if route.reach in OBJECTS and customer == BETA:
        return 404
    return None


@pytest.mark.parametrize("customer", [None, ALPHA, BETA], ids=["all", "alpha", "beta"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
async def test_s14_every_cell_of_route_role_and_customer(
    world: World, route: Route, role: Role, customer: int | None
) -> None:
    token = world.tokens[role, customer]
    end = await world.office.store.journal_end()
    answer = await ask(world, route, token, world.named)
    refusal = expected_refusal(route, role, customer)
    if refusal is None:
        # 409: they were let in, and things are not in the state that it needs.
        assert answer.status in {route.status, 409}, answer.json
        if answer.status == route.status:
            if route.answer is not None:
                route.answer.model_validate(answer.json)
            if customer is not None:
                other = "beta" if customer == ALPHA else "alpha"
                assert other not in str(answer.json)
    else:
        assert answer.status == refusal, answer.json
        assert answer.reply.header("content-type") == "application/problem+json"
        assert await world.office.store.journal_end() == end, "a refused request changed something"
    if refusal == 404:
        absent = dict(world.named, customer_id=str(ABSENT), client_id=str(ABSENT), name="absent")
        same = await ask(world, route, token, absent)
        assert without_ids(same, absent) == without_ids(answer, world.named)


def without_ids(answer: Answer, named: dict[str, str]) -> tuple[int, str]:
    names = sorted({named["customer_id"], named["client_id"], named["name"]}, key=len)
    pattern = "|".join(rf"\b{re.escape(name)}\b" for name in reversed(names))
    return answer.status, re.sub(pattern, "ID", str(answer.json["detail"]))


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
async def test_s14_without_a_token_nothing_is_answered(world: World, route: Route) -> None:
    answer = await ask(world, route, "", world.named)
    assert (answer.status, answer.json["title"]) == (401, "Unauthorized")
    assert answer.reply.header("www-authenticate").startswith("Bearer")


async def test_s14_nobody_makes_things_for_another_customer(world: World) -> None:
    token = world.tokens[Role.ADMIN, ALPHA]
    for path, body in (
        ("/clients", {"name": "c", "customer": BETA}),
        ("/operators", {"name": "o", "role": "viewer", "customer": BETA}),
    ):
        other = await world.office.call("POST", path, body, token=token)
        absent = await world.office.call("POST", path, {**body, "customer": ABSENT}, token=token)
        assert (other.status, absent.status) == (404, 404)
        assert other.json["detail"].replace("2", "999") == absent.json["detail"]
        own = await world.office.call("POST", path, {**body, "customer": None}, token=token)
        assert (own.status, own.json["customer"]) == (201, ALPHA)


async def test_s14_a_token_of_one_operator_is_not_ended_under_anothers_name(
    world: World,
) -> None:
    token = world.tokens[Role.ADMIN, ALPHA]
    # Token 2 is beta-victim's.
    answer = await world.office.call("DELETE", "/operators/alpha-victim/tokens/2", token=token)
    assert answer.status == 404
    contact = await world.office.call("DELETE", "/customers/1/contacts/2", token=token)
    assert contact.status == 404
    found = await world.office.store.list_contacts(BETA)
    assert found is not None
    assert len(found) == 1


def test_s14_the_matrix_has_every_route_that_is_served() -> None:
    served = {(route.method, route.path) for route in ROUTES}
    assert len(served) == len(ROUTES)
    assert len(ROUTES) > 30
    assert {route.permission for route in ROUTES} == set().union(*GRANTED.values())
