"""The admin API on clients: `/api/v1/clients`."""

from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, model_validator

from server.accounts.clients import ClientDesk, ClientView
from server.accounts.limits import LimitFigures, Usage
from server.accounts.text import checked_reason
from server.journal.acts import Cause
from server.web.admin_request import (
    ACTOR,
    PREFIX,
    Body,
    moment,
    page_limit,
    read_cause,
    read_json,
    read_query,
    whole_number,
    write_down,
)

_ONE = PREFIX + "/clients/{client_id:[0-9]{1,18}}"
_LARGEST_ID = 10**18


class NewClient(Body):
    """A client to be made."""

    name: str
    signed_only: bool = False
    phishing_test: bool = False


class ClientOptions(Body):
    """Options to be changed; what is left out stays as it is."""

    signed_only: bool | None = None
    phishing_test: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "ClientOptions":
        if self.signed_only is None and self.phishing_test is None:
            raise ValueError("give signed_only, phishing_test or both")
        return self


def _in_utc(time: datetime) -> datetime:
    """Return a time in UTC: what it is stored and shown in must have a calendar for it."""
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is beyond what a calendar can hold") from error


class NewLimit(Body):
    """A limit of a client's own: sessions per second, at once and per day."""

    rate: int
    burst: int
    per_day: int | None = None
    shadow: bool = False
    reason: str = ""
    expires: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None


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

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part of the API."""
        return [
            web.get(PREFIX + "/clients", self.list_clients, allow_head=False),
            web.post(PREFIX + "/clients", self.add),
            web.get(_ONE, self.show, allow_head=False),
            web.patch(_ONE, self.change),
            web.post(_ONE + "/disable", self.disable),
            web.post(_ONE + "/enable", self.enable),
            web.post(_ONE + "/rotate", self.rotate),
            web.post(_ONE + "/rotate/finish", self.finish_rotation),
            web.put(_ONE + "/limit", self.set_limit),
            web.delete(_ONE + "/limit", self.reset_limit),
        ]

    async def list_clients(self, request: web.Request) -> web.Response:
        """List clients by id; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit"))
        after = whole_number(query, "after", default=0, largest=_LARGEST_ID)
        limit = page_limit(query)
        views = await self._desk.list(after, limit)
        more = views[-1].details.client_id if len(views) == limit else None
        return web.json_response({"clients": [show_client(view) for view in views], "next": more})

    async def add(self, request: web.Request) -> web.Response:
        """Make a client; this answer is the only place where its API key is ever shown."""
        body = await read_json(request, NewClient)
        issued = await self._desk.add(
            body.name,
            cause=read_cause(request),
            signed_only=body.signed_only,
            phishing_test=body.phishing_test,
        )
        client_id = issued.client.details.client_id
        write_down(request, "client.add", client_id=client_id)
        return web.json_response(
            {**show_client(issued.client), "api_key": issued.api_key}, status=201
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show one client."""
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
        expires_us = None if body.expires is None else int(body.expires.timestamp()) * 1_000_000
        view = await self._desk.limit(
            _client_id(request),
            cause=Cause(request[ACTOR], checked_reason(body.reason)),
            rate=body.rate,
            burst=body.burst,
            per_day=body.per_day,
            shadow=body.shadow,
            expires_us=expires_us,
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


def _client_id(request: web.Request) -> int:
    return int(request.match_info["client_id"])


def _changed(request: web.Request, action: str, view: ClientView, **facts: object) -> web.Response:
    write_down(request, action, client_id=view.details.client_id, **facts)
    return web.json_response(show_client(view))
