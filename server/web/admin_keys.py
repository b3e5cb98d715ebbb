"""The admin API on YubiKeys: `/api/v1/keys`."""

from http import HTTPStatus

from aiohttp import web

from server.otp.keys import KeyDesk
from server.otp.ports import KeyDetails
from server.web.admin_request import (
    PREFIX,
    cause_of,
    moment,
    page_limit,
    read_cause,
    read_octets,
    read_query,
    write_down,
)
from server.web.problems import ProblemError

MAX_IMPORT = 64 * 1024 * 1024
"""Octets of an uploaded key file."""

_IMPORT_S = 300.0
_NO_PUBLIC_ID = "-"
"""How the empty public id is written in a path: a path cannot hold an empty part."""

_ONE = PREFIX + "/keys/{public_id}"


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

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part of the API."""
        return [
            web.get(PREFIX + "/keys", self.list_keys, allow_head=False),
            web.post(PREFIX + "/keys/import", self.import_keys),
            web.get(_ONE, self.show, allow_head=False),
            web.post(_ONE + "/disable", self.disable),
            web.post(_ONE + "/enable", self.enable),
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
    return _read_public_id(request.match_info["public_id"])


def _changed(request: web.Request, action: str, details: KeyDetails) -> web.Response:
    write_down(request, action, public_id=details.public_id)
    return web.json_response(show_key(details))
