"""The admin API on who holds which key: `/api/v1/fleet/holders`, and whose a host is."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any, Self

from aiohttp import web
from pydantic import ConfigDict, Field, model_validator

from server.accounts.access import Permission
from server.accounts.text import MAX_NAME
from server.fleet.advisory_desk import AdvisoryDesk
from server.fleet.holder_desk import HolderDesk, Named, SheetError
from server.fleet.holder_file import MAX_OCTETS
from server.fleet.holder_ports import HeldKey, HolderSearch
from server.fleet.holders import HolderKind
from server.web.admin_fleet import HostShown, show_host
from server.web.admin_holder_shown import (
    HeldShown,
    HolderClaimShown,
    show_claim,
    show_held,
)
from server.web.admin_request import (
    answer,
    cause_of,
    page_limit,
    read_cause,
    read_json,
    read_octets,
    read_query,
    whole_number,
    write_down,
)
from server.web.json_types import Body, Shown
from server.web.parameters import (
    AFTER_NAME,
    DRY_RUN,
    KEY_ID,
    LARGEST_NUMBER,
    LIMIT,
    REASON,
    SERIAL,
    QueryParameter,
)
from server.web.problems import ProblemError
from server.web.route import Reach, Route

_SHEET = "text/csv; header=present"
"""RFC 4180's name for a sheet whose first line names the columns."""

_SHEET_S = 60.0
_HOLDERS = "/fleet/holders"
_ONE = _HOLDERS + "/{key_id}"
_HOST_ID = "[0-9a-f]{32}"
_AFTER = AFTER_NAME._replace(schema={"type": "string", "maxLength": 110})
_PERSON = QueryParameter(
    "person",
    {"type": "string", "maxLength": MAX_NAME},
    "Only keys of this person, however the name is spelt.",
)
_KIND = QueryParameter(
    "kind",
    {"type": "string", "enum": [kind.value for kind in HolderKind]},
    "Only keys that are this to their holder.",
)
_PAGE = (_AFTER, LIMIT)

Person = Annotated[str, Field(max_length=MAX_NAME)]


class NewHolder(Body):
    """Who holds a key from now on. serial: the key's number; key: its id; one of the two.

    handed_over: what hosts saw up to today tells nothing of who has it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"serial": 10_000_001, "person": "Anna Berg", "kind": "primary"}]
        }
    )

    serial: Annotated[int, Field(ge=1, le=2**32 - 1)] | None = None
    key: Annotated[str, Field(pattern=f"^{KEY_ID}$")] | None = None
    person: Person
    kind: Annotated[HolderKind, Field(strict=False)]
    handed_over: bool = False

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.serial is None) == (self.key is None):
            raise ValueError("name the key by serial or by key, and not by both")
        return self


class ClaimNamed(Body):
    """Which host's claim. claim: its id, as it was looked at; another one is left alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"host": "0f" * 16}]})

    host: Annotated[str, Field(pattern=f"^{_HOST_ID}$")]
    claim: Annotated[str, Field(pattern=f"^{_HOST_ID}$")] | None = None


class HostsPerson(Body):
    """Whose a host is; "" for nobody's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "Anna Berg"}]})

    person: Person


class PersonNamed(Body):
    """Somebody who is to be forgotten."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "Anna Berg"}]})

    person: Person


class HeldKeyShown(HeldShown):
    """A key with its holder. last_seen: by any host, null if it was never seen."""

    key: str
    last_seen: str | None
    claims: list[HolderClaimShown]


class HoldersShown(Shown):
    """A page of holders. next: `after` of the page behind it, null at the end."""

    holders: list[HeldKeyShown]
    next: str | None


class ClaimsShown(Shown):
    """A page of claims that wait. next: `after` of the page behind it, null at the end."""

    claims: list[HolderClaimShown]
    next: str | None


class HolderReleasedShown(Shown):
    """A key for which nobody is registered any more."""

    key: str


class HoldersImportedShown(Shown):
    """What an import did, or would do: keys. imported: false for a dry run."""

    imported: bool
    new: int
    changed: int
    unchanged: int


class PersonForgottenShown(Shown):
    """How much was known of a person, and is not any more."""

    holders: int
    hosts: int
    claims: int


class AdminFleetHolders:
    """Handlers over the desk for holders. advisories: know what is wrong with a host's software."""

    def __init__(self, desk: HolderDesk, advisories: AdvisoryDesk) -> None:
        self._desk = desk
        self._advisories = advisories

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        get, post, delete = HTTPMethod.GET, HTTPMethod.POST, HTTPMethod.DELETE
        read, write, whole = Permission.FLEET_READ, Permission.FLEET_WRITE, Reach.SERVICE
        search, why = (SERIAL, _PERSON, _KIND, *_PAGE), (REASON,)
        erase = Permission.FLEET_ERASE
        return [
            Route(get, _HOLDERS, self.list_holders, read, whole, HoldersShown, query=search),
            Route(
                post,
                _HOLDERS,
                self.entrust,
                write,
                whole,
                HeldKeyShown,
                query=why,
                body=NewHolder,
            ),
            Route(
                post,
                _HOLDERS + "/import",
                self.import_,
                write,
                whole,
                HoldersImportedShown,
                query=(DRY_RUN, REASON),
                upload=_SHEET,
            ),
            Route(
                post,
                _ONE + "/accept",
                self.accept,
                write,
                whole,
                HeldKeyShown,
                query=why,
                body=ClaimNamed,
            ),
            Route(
                post,
                _ONE + "/dismiss",
                self.dismiss,
                write,
                whole,
                HolderClaimShown,
                query=why,
                body=ClaimNamed,
            ),
            Route(delete, _ONE, self.release, write, whole, HolderReleasedShown, query=why),
            Route(
                get,
                "/fleet/claims",
                self.list_claims,
                read,
                whole,
                ClaimsShown,
                query=(SERIAL, *_PAGE),
            ),
            Route(
                post,
                "/fleet/hosts/{host_id}/assign",
                self.assign,
                write,
                whole,
                HostShown,
                query=why,
                body=HostsPerson,
            ),
            Route(
                post,
                "/fleet/persons/erase",
                self.forget,
                erase,
                whole,
                PersonForgottenShown,
                query=why,
                body=PersonNamed,
            ),
        ]

    async def list_holders(self, request: web.Request) -> web.Response:
        """List who holds which key, by the keys' ids."""
        query = read_query(request, ("serial", "person", "kind", "after", "limit"))
        limit = page_limit(query)
        found = await self._desk.list(
            HolderSearch(query.get("person"), _kind(query)),
            _serial(query),
            query.get("after", ""),
            limit,
        )
        more = found[-1].holder.key_id if len(found) == limit else None
        return answer(request, HoldersShown(holders=[_held(one) for one in found], next=more))

    async def entrust(self, request: web.Request) -> web.Response:
        """Say who holds a key, which need not have been seen yet."""
        cause = read_cause(request)
        wanted = await read_json(request, NewHolder)
        held = await self._desk.entrust(
            Named(wanted.serial, wanted.key or ""),
            wanted.person,
            wanted.kind,
            handed_over=wanted.handed_over,
            cause=cause,
        )
        write_down(request, "fleet-holder.set", key=held.holder.key_id)
        return answer(request, _held(held))

    async def release(self, request: web.Request) -> web.Response:
        """Take out who holds a key."""
        was = await self._desk.release(request.match_info["key_id"], cause=read_cause(request))
        write_down(request, "fleet-holder.remove", key=was.key_id)
        return answer(request, HolderReleasedShown(key=was.key_id))

    async def import_(self, request: web.Request) -> web.Response:
        """Import a sheet of holders: all of it, or nothing and every fault with its line."""
        query = read_query(request, ("dry_run", "reason"))
        cause, dry_run = cause_of(request, query), _flag(query, "dry_run")
        octets = await read_octets(request, cap=MAX_OCTETS, deadline_s=_SHEET_S)
        try:
            done = await self._desk.import_sheet(octets, dry_run=dry_run, cause=cause)
        except SheetError as error:
            raise _faults(error) from None
        if not dry_run:
            write_down(request, "fleet-holder.import", **done._asdict())
        return answer(request, HoldersImportedShown(imported=not dry_run, **done._asdict()))

    async def list_claims(self, request: web.Request) -> web.Response:
        """List what hosts' users say and nobody has decided on, by the claims' ids."""
        query = read_query(request, ("serial", "after", "limit"))
        limit = page_limit(query)
        found = await self._desk.claims(_serial(query), query.get("after", ""), limit)
        more = found[-1].claim_id if len(found) == limit else None
        return answer(request, ClaimsShown(claims=[show_claim(one) for one in found], next=more))

    async def accept(self, request: web.Request) -> web.Response:
        """Make the registry say what a host's user says of a key."""
        cause = read_cause(request)
        wanted, key_id = await read_json(request, ClaimNamed), request.match_info["key_id"]
        seen = wanted.claim or ""
        held = await self._desk.accept(key_id, wanted.host, cause=cause, claim_id=seen)
        write_down(request, "fleet-holder.accept", key=key_id, host=wanted.host)
        return answer(request, _held(held))

    async def dismiss(self, request: web.Request) -> web.Response:
        """Take away what a host's user says of a key."""
        cause = read_cause(request)
        wanted, key_id = await read_json(request, ClaimNamed), request.match_info["key_id"]
        seen = wanted.claim or ""
        claim = await self._desk.dismiss(key_id, wanted.host, cause=cause, claim_id=seen)
        write_down(request, "fleet-holder.dismiss", key=key_id, host=wanted.host)
        return answer(request, show_claim(claim))

    async def assign(self, request: web.Request) -> web.Response:
        """Say whose a host is."""
        cause = read_cause(request)
        wanted = await read_json(request, HostsPerson)
        host = await self._desk.assign(request.match_info["host_id"], wanted.person, cause=cause)
        write_down(request, "host.assign", host=host.host_id)
        return answer(request, show_host(host, self._advisories.faults(host)))

    async def forget(self, request: web.Request) -> web.Response:
        """Forget a person: what they hold, whose hosts are theirs, and what was claimed."""
        cause = read_cause(request)
        wanted = await read_json(request, PersonNamed)
        gone = await self._desk.forget(wanted.person, cause=cause)
        write_down(request, "fleet-person.erase", **gone._asdict())
        return answer(request, PersonForgottenShown(**gone._asdict()))


def _held(one: HeldKey) -> HeldKeyShown:
    shown = show_held(one.holder)
    said: dict[str, Any] = {} if shown is None else shown.model_dump()
    return HeldKeyShown(
        key=one.holder.key_id,
        last_seen=one.last_seen or None,
        claims=[show_claim(claim) for claim in one.claims],
        **said,
    )


def _serial(query: dict[str, str]) -> int | None:
    serial = whole_number(query, "serial", default=0, largest=LARGEST_NUMBER)
    return serial if "serial" in query else None


def _kind(query: dict[str, str]) -> HolderKind | None:
    kind = query.get("kind")
    if kind is not None and kind not in set(HolderKind):
        words = ", ".join(HolderKind)
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"kind must be one of {words}")
    return None if kind is None else HolderKind(kind)


def _flag(query: dict[str, str], name: str) -> bool:
    value = query.get(name, "no")
    if value not in {"yes", "no"}:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} is yes or no")
    return value == "yes"


def _faults(error: SheetError) -> ProblemError:
    listed = [
        {"line": one.line, "column": one.column, "name": one.name, "error": one.said}
        for one in error.faults
    ]
    more: dict[str, object] = {"errors": listed, "errors_total": error.count}
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), more=more)
