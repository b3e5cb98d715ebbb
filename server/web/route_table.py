"""The admin API's routes, each with what it asks for: whatever is not declared is denied.

One table is read by all: by the door, which lets nobody past a route without its permission and
its reach; by the OpenAPI document; and by the test that asserts role x customer x route.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias

from aiohttp import web

from server.accounts.access import Caller, Permission
from server.web.admin_request import CALLER, PREFIX, ROUTE
from server.web.parameters import PATH_PARAMETERS
from server.web.problems import ProblemError
from server.web.route import NAME_IN_PATH, Reach, Route


class UndeclaredRouteError(Exception):
    """A route says not, or wrongly, whom it is for: it is not registered."""


OwnerOf: TypeAlias = Callable[[Mapping[str, str]], Awaitable[int | None]]
"""Whose the object in a path is (None: nobody's). Raises what says that there is none."""

AbsentError: TypeAlias = Callable[[Mapping[str, str]], Exception]
"""What is said of an object that is not there."""


class Objects(NamedTuple):
    """How objects of one kind are looked up. absent: made also for one that is hidden."""

    owner: OwnerOf
    absent: AbsentError


class RouteTable:
    """The declared routes. objects: for each reach that names an object in the path."""

    def __init__(self, routes: Iterable[Route], objects: Mapping[Reach, Objects]) -> None:
        self.routes = tuple(routes)
        self._objects = dict(objects)
        self._declared: dict[web.AbstractRoute, Route] = {}
        for route in self.routes:
            _check(route, self._objects)
        names = [route.name for route in self.routes]
        if len(set(names)) != len(names):
            raise UndeclaredRouteError("a route is declared twice")

    def register(self, app: web.Application) -> None:
        """Register every route, and refuse to start with any that is not in this table."""
        for route in self.routes:
            pattern = NAME_IN_PATH.sub(lambda found: _pattern(found[1]), route.path)
            resource = app.router.add_resource(PREFIX + pattern)
            self._declared[resource.add_route(route.method, route.handler)] = route
        app.on_startup.append(self._check_all)

    async def let_past(self, request: web.Request) -> None:
        """Let the caller past the route that was asked for, or raise ProblemError."""
        missing = request.match_info.http_exception
        if missing is not None:
            raise missing
        route = self._declared.get(request.match_info.route)
        if route is None:
            raise ProblemError(HTTPStatus.FORBIDDEN, "nobody may use this path")
        request[ROUTE] = route
        caller = request[CALLER]
        if not caller.may(route.permission):
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                f"the role {caller.role} does not carry {route.permission}; ask an admin",
            )
        if route.reach is Reach.SERVICE and caller.customer is not None:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "this is about the whole service, and you are kept to one customer; ask an admin",
            )
        await self._check_object(route, caller, request.match_info)

    async def _check_object(self, route: Route, caller: Caller, named: Mapping[str, str]) -> None:
        """Say of an object of another customer's exactly what is said of an absent one."""
        objects = self._objects.get(route.reach)
        if objects is None or caller.customer is None:
            return
        if not caller.sees(await objects.owner(named)):
            raise objects.absent(named)

    async def _check_all(self, app: web.Application) -> None:
        for route in app.router.routes():
            if route not in self._declared:
                raise UndeclaredRouteError(f"{route.method} {route.resource} is not declared")


def _check(route: Route, objects: Mapping[Reach, Objects]) -> None:
    """Refuse (UndeclaredRouteError) a route that does not say whom it is for."""
    values: list[tuple[Any, type]] = [(route.permission, Permission), (route.reach, Reach)]
    if not all(isinstance(value, kind) for value, kind in values):
        raise UndeclaredRouteError(f"{route.name} declares no permission or no reach")
    if not route.summary:
        raise UndeclaredRouteError(f"{route.name} says not what it does")
    unknown = [name for name in route.names_in_path if name not in PATH_PARAMETERS]
    if unknown:
        raise UndeclaredRouteError(f"{route.name}: {unknown[0]} is not a known path parameter")
    named = {Reach.CUSTOMER: "customer_id", Reach.CLIENT: "client_id", Reach.OPERATOR: "name"}
    needed = named.get(route.reach)
    if needed is not None and (needed not in route.names_in_path or route.reach not in objects):
        raise UndeclaredRouteError(f"{route.name} reaches an object that its path does not name")
    # The other way round: an object in the path that nobody checks would be everybody's.
    if route.reach is Reach.NARROWED and route.names_in_path:
        raise UndeclaredRouteError(f"{route.name} names an object, and says not whose it is")


def _pattern(name: str) -> str:
    return f"{{{name}:{PATH_PARAMETERS[name].pattern}}}"
