"""The route table: what is not declared is not registered, and what is not registered is denied."""

from http import HTTPMethod

import pytest
from aiohttp import web

from server.accounts.access import Caller, Permission, Role
from server.journal.acts import Actor
from server.web.admin_request import CALLER, DeclarationError, answer, read_json, read_query
from server.web.json_types import Body, Shown
from server.web.parameters import REASON
from server.web.problems import ProblemError, problem_answer
from server.web.route import Handler, Reach, Route
from server.web.route_table import Objects, RouteTable, UndeclaredRouteError
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, get


class Said(Shown):
    word: str


class Other(Shown):
    word: str


class Asked(Body):
    word: str


async def hello(request: web.Request) -> web.Response:
    """Say hello."""
    return answer(request, Said(word="hello"))


async def nobody(_: object) -> int | None:
    return None


ROUTE = Route(HTTPMethod.GET, "/hello", hello, Permission.SELF_READ, Reach.NARROWED, Said)
OBJECTS = {Reach.CLIENT: Objects(nobody, lambda _: LookupError())}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"permission": None}, "no permission"),
        ({"permission": "self.read"}, "no permission"),
        ({"reach": None}, "no reach"),
        ({"path": "/clients/{id}"}, "not a known path parameter"),
        ({"reach": Reach.CLIENT}, "does not name"),
        ({"reach": Reach.CUSTOMER, "path": "/c/{customer_id}"}, "does not name"),
        ({"path": "/clients/{client_id}"}, "says not whose"),
        ({"handler": lambda _: None}, "says not what it does"),
    ],
)
def test_a_route_that_does_not_say_whom_it_is_for_is_refused(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(UndeclaredRouteError, match=words):
        RouteTable([ROUTE._replace(**changes)], OBJECTS)  # type: ignore[arg-type] # on purpose


def test_a_route_is_declared_once() -> None:
    with pytest.raises(UndeclaredRouteError, match="twice"):
        RouteTable([ROUTE, ROUTE], OBJECTS)


async def test_an_application_with_an_undeclared_route_does_not_start() -> None:
    app = web.Application()
    app.router.add_get("/api/v1/secret", hello)
    RouteTable([ROUTE], OBJECTS).register(app)
    runner = web.AppRunner(app)
    with pytest.raises(UndeclaredRouteError, match="secret"):
        await runner.setup()
    await runner.cleanup()


async def test_an_undeclared_route_is_denied_even_to_an_admin(open_door: OpenDoor) -> None:
    table = RouteTable([ROUTE], OBJECTS)

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CALLER] = Caller(Actor("test", "root"), Role.ADMIN)
        try:
            await table.let_past(request)
        except ProblemError as problem:
            return problem_answer(problem)
        return await handler(request)

    app = web.Application(middlewares=[let_in])
    app.router.add_get("/api/v1/secret", hello)
    table.register(app)
    app.on_startup.remove(table._check_all)  # what would have stopped it
    door = await open_door(app)
    async with Peer(door.host, door.port) as peer:
        assert (await peer.ask(get("/api/v1/secret"))).status == 403
        assert (await peer.ask(get("/api/v1/hello"))).status == 200


@pytest.mark.parametrize("misuse", ["answer", "query", "body"])
async def test_a_handler_that_does_not_keep_to_its_declaration_is_a_fault(
    open_door: OpenDoor, misuse: str
) -> None:
    async def wrong(request: web.Request) -> web.Response:
        """Do something else."""
        if misuse == "query":
            read_query(request, ("reason", "more"))
        elif misuse == "body":
            await read_json(request, Asked)
        return answer(request, Other(word="hello"))

    table = RouteTable([ROUTE._replace(handler=wrong, query=(REASON,))], OBJECTS)

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CALLER] = Caller(Actor("test", "root"), Role.ADMIN)
        await table.let_past(request)
        try:
            return await handler(request)
        except DeclarationError as fault:
            return web.Response(text=str(fault), status=500)

    app = web.Application(middlewares=[let_in])
    table.register(app)
    door = await open_door(app)
    async with Peer(door.host, door.port) as peer:
        reply = await peer.ask(get("/api/v1/hello"))
    assert reply.status == 500
    assert b"get_hello" in reply.body
