"""The admin API on clients: `/api/v1/clients`."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field, model_validator

from server.accounts.access import Permission
from server.accounts.clients import ClientDesk, ClientView
from server.accounts.customer_ports import UnknownCustomerError
from server.accounts.limits import LimitFigures, Usage
from server.accounts.text import MAX_NAME, MAX_REASON, checked_reason
from server.journal.acts import Cause
from server.web.admin_request import (
    CALLER,
    moment,
    page_limit,
    read_cause,
    read_json,
    read_query,
    whole_number,
    write_down,
)
from server.web.json_types import Body, FutureMoment, Moment, Shown, microseconds
from server.web.parameters import AFTER, LARGEST_NUMBER, LIMIT, REASON
from server.web.route import Reach, Route

_ONE = "/clients/{client_id}"


class NewClient(Body):
    """A client to be made. customer: whose it is; nobody's, or the operator's own, without it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "mail server"}]})

    name: Annotated[str, Field(max_length=MAX_NAME)]
    signed_only: bool = False
    phishing_test: bool = False
    customer: Annotated[int, Field(ge=1, le=LARGEST_NUMBER)] | None = None


class ClientOptions(Body):
    """Options to be changed; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"signed_only": True}]})

    signed_only: bool | None = None
    phishing_test: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "ClientOptions":
        if self.signed_only is None and self.phishing_test is None:
            raise ValueError("give signed_only, phishing_test or both")
        return self


class NewLimit(Body):
    """A limit of a client's own: sessions per second, at once and per day."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rate": 20, "burst": 100, "reason": "a busy spring"}]}
    )

    rate: int
    burst: int
    per_day: int | None = None
    shadow: bool = False
    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""
    expires: Annotated[FutureMoment, Field(strict=False)] | None = None


class NewOwner(Body):
    """Whose a client is to be; null: nobody's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer": None}]})

    customer: Annotated[int, Field(ge=1, le=LARGEST_NUMBER)] | None


class FiguresShown(Shown):
    """A limit: sessions per second, at once and per day (null: no such limit)."""

    rate: int
    burst: int
    per_day: int | None


class LimitShown(FiguresShown):
    """A limit of a client's own."""

    shadow: bool
    reason: str
    expires: Moment | None


class ApiKeyShown(Shown):
    """A live API key without its secret."""

    key_id: int
    created: Moment


class ShareShown(Shown):
    """How much of a budget is spent: from 0.0 to 1.0."""

    burst: float
    day: float | None


class UsageShown(Shown):
    """What is spent of the budget for signed requests and of the fullest for others."""

    signed: ShareShown | None
    unsigned: ShareShown | None


class ClientShown(Shown):
    """A client."""

    id: int
    name: str
    active: bool
    signed_only: bool
    phishing_test: bool
    customer: int | None
    created: Moment
    limit: LimitShown | None
    limit_in_force: FiguresShown
    api_keys: list[ApiKeyShown]
    usage: UsageShown


class IssuedApiKeyShown(ClientShown):
    """A client with a new API key (base64), which is in this answer and nowhere else."""

    api_key: str


class ClientsShown(Shown):
    """A page of clients. next: `after` of the page behind it, null at the end."""

    clients: list[ClientShown]
    next: int | None


def show_client(view: ClientView) -> dict[str, object]:
    """Return a client as JSON. It holds no secret."""
    details = view.details
    override = details.limit
    return {
        "id": details.client_id,
        "name": details.name,
        "active": details.active,
        "signed_only": details.signed_only,
        "phishing_test": details.phishing_test,
        "customer": details.customer_id,
        "created": moment(details.created_us),
        "limit": override
        and {
            **LimitFigures.of(override.policy)._asdict(),
            "shadow": override.shadow,
            "reason": override.reason,
            "expires": None if override.expires_us is None else moment(override.expires_us),
        },
        "limit_in_force": view.limit._asdict(),
        "api_keys": [
            {"key_id": key.key_id, "created": moment(key.created_us)} for key in details.api_keys
        ],
        "usage": show_usage(view.usage),
    }


def show_usage(usage: tuple[Usage, ...]) -> dict[str, object]:
    """Return the spent shares (0.0-1.0) of the signed budget and the fullest unsigned one."""
    signed = [each for each in usage if each.bucket == 0]
    unsigned = [each for each in usage if each.bucket != 0]
    return {"signed": _fullest(signed), "unsigned": _fullest(unsigned)}


def _fullest(usage: list[Usage]) -> dict[str, float | None] | None:
    if not usage:
        return None
    days = [each.day for each in usage if each.day is not None]
    return {
        "burst": round(max(each.burst for each in usage), 3),
        "day": round(max(days), 3) if days else None,
    }


class AdminClients:
    """Handlers over the operator's desk for clients."""

    def __init__(self, desk: ClientDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write = Permission.CLIENT_READ, Permission.CLIENT_WRITE
        limit, assign = Permission.CLIENT_LIMIT, Permission.CLIENT_ASSIGN
        get, post, put = HTTPMethod.GET, HTTPMethod.POST, HTTPMethod.PUT
        own, some, service = Reach.CLIENT, Reach.NARROWED, Reach.SERVICE
        made, why = HTTPStatus.CREATED, (REASON,)
        one, issued = ClientShown, IssuedApiKeyShown
        return [
            Route(
                get, "/clients", self.list_clients, read, some, ClientsShown, query=(AFTER, LIMIT)
            ),
            Route(post, "/clients", self.add, write, some, issued, made, why, NewClient),
            Route(get, _ONE, self.show, read, own, one),
            Route(
                HTTPMethod.PATCH, _ONE, self.change, write, own, one, query=why, body=ClientOptions
            ),
            Route(post, _ONE + "/disable", self.disable, write, own, one, query=why),
            # The service may have had its reasons: a customer's own operator cannot undo that.
            Route(post, _ONE + "/enable", self.enable, write, service, one, query=why),
            Route(post, _ONE + "/rotate", self.rotate, write, own, issued, query=why),
            Route(post, _ONE + "/rotate/finish", self.finish_rotation, write, own, one, query=why),
            # Limits protect the service and its other customers: nobody sets their own.
            Route(put, _ONE + "/limit", self.set_limit, limit, service, one, body=NewLimit),
            Route(
                HTTPMethod.DELETE,
                _ONE + "/limit",
                self.reset_limit,
                limit,
                service,
                one,
                query=why,
            ),
            Route(
                put,
                _ONE + "/customer",
                self.assign,
                assign,
                service,
                one,
                query=why,
                body=NewOwner,
            ),
        ]

    async def list_clients(self, request: web.Request) -> web.Response:
        """List clients by id; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        views = await self._desk.list(after, limit, request[CALLER].customer)
        more = views[-1].details.client_id if len(views) == limit else None
        return web.json_response({"clients": [show_client(view) for view in views], "next": more})

    async def add(self, request: web.Request) -> web.Response:
        """Make a client; this answer is the only place where its API key is ever shown."""
        body = await read_json(request, NewClient)
        caller = request[CALLER]
        customer = caller.customer if body.customer is None else body.customer
        if customer is not None and not caller.sees(customer):
            raise UnknownCustomerError(customer)
        issued = await self._desk.add(
            body.name,
            cause=read_cause(request),
            signed_only=body.signed_only,
            phishing_test=body.phishing_test,
            customer=customer,
        )
        client_id = issued.client.details.client_id
        write_down(request, "client.add", client_id=client_id)
        return web.json_response(
            {**show_client(issued.client), "api_key": issued.api_key}, status=201
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show one client."""
        read_query(request, ())
        return web.json_response(show_client(await self._desk.show(_client_id(request))))

    async def change(self, request: web.Request) -> web.Response:
        """Change how a client's requests are treated."""
        body = await read_json(request, ClientOptions)
        view = await self._desk.options(
            _client_id(request),
            cause=read_cause(request),
            signed_only=body.signed_only,
            phishing_test=body.phishing_test,
        )
        return _changed(request, "client.options", view, **body.model_dump(exclude_none=True))

    async def disable(self, request: web.Request) -> web.Response:
        """Refuse a client from its next request on."""
        view = await self._desk.disable(_client_id(request), cause=read_cause(request))
        return _changed(request, "client.disable", view)

    async def enable(self, request: web.Request) -> web.Response:
        """Serve a client again."""
        view = await self._desk.enable(_client_id(request), cause=read_cause(request))
        return _changed(request, "client.enable", view)

    async def rotate(self, request: web.Request) -> web.Response:
        """Issue a second API key, shown in this answer only."""
        issued = await self._desk.rotate(_client_id(request), cause=read_cause(request))
        write_down(request, "client.rotate", client_id=issued.client.details.client_id)
        return web.json_response({**show_client(issued.client), "api_key": issued.api_key})

    async def finish_rotation(self, request: web.Request) -> web.Response:
        """End the older API key."""
        view = await self._desk.finish_rotation(_client_id(request), cause=read_cause(request))
        return _changed(request, "client.rotate_finish", view)

    async def set_limit(self, request: web.Request) -> web.Response:
        """Give a client a limit of its own."""
        read_query(request, ())
        body = await read_json(request, NewLimit)
        view = await self._desk.limit(
            _client_id(request),
            cause=Cause(request[CALLER].actor, checked_reason(body.reason)),
            rate=body.rate,
            burst=body.burst,
            per_day=body.per_day,
            shadow=body.shadow,
            expires_us=microseconds(body.expires),
        )
        return _changed(
            request,
            "client.limit",
            view,
            **body.model_dump(mode="json", exclude={"reason"}),
        )

    async def reset_limit(self, request: web.Request) -> web.Response:
        """Hold a client to the default limit again."""
        view = await self._desk.reset_limit(_client_id(request), cause=read_cause(request))
        return _changed(request, "client.limit_default", view)

    async def assign(self, request: web.Request) -> web.Response:
        """Give a client to a customer, or to nobody."""
        body = await read_json(request, NewOwner)
        cause = read_cause(request)
        view = await self._desk.assign(_client_id(request), body.customer, cause=cause)
        return _changed(request, "client.assign", view, customer=body.customer)


def _client_id(request: web.Request) -> int:
    return int(request.match_info["client_id"])


def _changed(request: web.Request, action: str, view: ClientView, **facts: object) -> web.Response:
    write_down(request, action, client_id=view.details.client_id, **facts)
    return web.json_response(show_client(view))
