"""The admin API on YubiKeys: `/api/v1/keys`."""

from http import HTTPMethod, HTTPStatus

from aiohttp import web

from server.accounts.access import Permission
from server.otp.keys import KeyDesk
from server.otp.ports import KeyDetails
from server.web.admin_request import (
    cause_of,
    moment,
    page_limit,
    read_cause,
    read_octets,
    read_query,
    write_down,
)
from server.web.json_types import Moment, Shown
from server.web.parameters import AFTER_NAME, FORMAT, LIMIT, REASON
from server.web.problems import ProblemError
from server.web.route import Reach, Route

MAX_IMPORT = 64 * 1024 * 1024
"""Octets of an uploaded key file."""

_IMPORT_S = 300.0
_NO_PUBLIC_ID = "-"
"""How the empty public id is written in a path: a path cannot hold an empty part."""

_ONE = "/keys/{public_id}"


class KeyShown(Shown):
    """A YubiKey, without secrets. Counters are null until its first OTP."""

    public_id: str
    serial: str
    active: bool
    generation: int
    session: int | None
    use: int | None
    accepted: Moment | None
    accepted_client: int | None
    created: Moment


class KeysShown(Shown):
    """A page of keys. next: `after` of the page behind it, null at the end."""

    keys: list[KeyShown]
    next: str | None


class ImportedShown(Shown):
    """How many keys were imported."""

    imported: int


def show_key(details: KeyDetails) -> dict[str, object]:
    """Return a key as JSON, without secrets. Counters are null until its first OTP."""
    used = details.session >= 0
    return {
        "public_id": details.public_id,
        "serial": details.serial,
        "active": details.active,
        "generation": details.generation,
        "session": details.session if used else None,
        "use": details.use if used else None,
        "accepted": moment(details.accepted_us) if details.accepted_us else None,
        "accepted_client": details.accepted_client or None,
        "created": moment(details.created_us),
    }


class AdminKeys:
    """Handlers over the operator's desk for keys."""

    def __init__(self, desk: KeyDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API. Keys are nobody's but the service's."""
        read, switch, service = Permission.KEY_READ, Permission.KEY_SWITCH, Reach.SERVICE
        get, post = HTTPMethod.GET, HTTPMethod.POST
        page, why = (AFTER_NAME, LIMIT), (REASON,)
        return [
            Route(get, "/keys", self.list_keys, read, service, KeysShown, query=page),
            Route(
                post,
                "/keys/import",
                self.import_keys,
                Permission.KEY_IMPORT,
                service,
                ImportedShown,
                query=(FORMAT, REASON),
                upload="text/csv",
            ),
            Route(get, _ONE, self.show, read, service, KeyShown),
            Route(post, _ONE + "/disable", self.disable, switch, service, KeyShown, query=why),
            Route(post, _ONE + "/enable", self.enable, switch, service, KeyShown, query=why),
        ]

    async def list_keys(self, request: web.Request) -> web.Response:
        """List keys by public id; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit"))
        after = query.get("after")
        limit = page_limit(query)
        found = await self._desk.list(None if after is None else _read_public_id(after), limit)
        more = (found[-1].public_id or _NO_PUBLIC_ID) if len(found) == limit else None
        return web.json_response({"keys": [show_key(details) for details in found], "next": more})

    async def import_keys(self, request: web.Request) -> web.Response:
        """Import a key file: all keys of it, or none and the line at fault."""
        query = read_query(request, ("format", "reason"))
        cause = cause_of(request, query)
        if query.get("format") != "ksm":
            raise ProblemError(HTTPStatus.BAD_REQUEST, "give the file's format: ?format=ksm")
        octets = await read_octets(request, cap=MAX_IMPORT, deadline_s=_IMPORT_S)
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "the file is not UTF-8 text; nothing was imported",
                line=octets.count(b"\n", 0, error.start) + 1,
            ) from None  # the cause would carry the whole file, secrets and all
        count = await self._desk.import_ksm(text, cause=cause)
        write_down(request, "key.import", imported=count)
        return web.json_response({"imported": count})

    async def show(self, request: web.Request) -> web.Response:
        """Show one key."""
        read_query(request, ())
        return web.json_response(show_key(await self._desk.show(_public_id(request))))

    async def disable(self, request: web.Request) -> web.Response:
        """Refuse a key from its next OTP on."""
        details = await self._desk.disable(_public_id(request), cause=read_cause(request))
        return _changed(request, "key.disable", details)

    async def enable(self, request: web.Request) -> web.Response:
        """Accept a key's OTPs again."""
        details = await self._desk.enable(_public_id(request), cause=read_cause(request))
        return _changed(request, "key.enable", details)


def _read_public_id(text: str) -> str:
    return "" if text == _NO_PUBLIC_ID else text.lower()


def _public_id(request: web.Request) -> str:
    public_id = _read_public_id(request.match_info["public_id"])
    if not public_id.isprintable():
        raise ProblemError(HTTPStatus.NOT_FOUND, "no public id has such characters")
    return public_id


def _changed(request: web.Request, action: str, details: KeyDetails) -> web.Response:
    write_down(request, action, public_id=details.public_id)
    return web.json_response(show_key(details))
