"""The admin API on the fleet: `/api/v1/fleet`, hosts and the keys that they report."""

import asyncio
from collections.abc import Sequence
from http import HTTPMethod, HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field

from agent.report import Value
from server.accounts.access import Permission
from server.fleet.advisory_desk import AdvisoryDesk, HostFault
from server.fleet.desk import MAX_TOKEN_DAYS, FleetDesk
from server.fleet.firmware import VersionError, parse_beginning
from server.fleet.health import Fault, Level
from server.fleet.hosts import Host, HostState
from server.fleet.ports import FleetKey, NotedChange, Search
from server.fleet.rulebook import Reached
from server.fleet.trust import WORDS, Trust
from server.web.admin_holder_shown import HeldShown, HolderClaimShown, show_claim, show_held
from server.web.admin_request import (
    answer,
    moment,
    page_limit,
    read_cause,
    read_json,
    read_query,
    whole_number,
    write_down,
)
from server.web.json_types import Body, Moment, Shown
from server.web.parameters import (
    AFTER_NAME,
    BEFORE,
    FIRMWARE,
    HOST,
    HOST_RULE,
    LARGEST_NUMBER,
    LEVEL,
    LIMIT,
    REASON,
    RULE,
    SERIAL,
)
from server.web.problems import ProblemError
from server.web.route import Reach, Route

_KEY = "/fleet/keys/{key_id}"
_PAGE = (AFTER_NAME, LIMIT)
_HOSTS = (HOST_RULE, *_PAGE)
_SEARCH = (SERIAL, HOST, FIRMWARE, RULE, LEVEL, *_PAGE)
MAX_KEYS = 100
"""Of a page, whatever is asked for: a laptop can make the facts of each as long as a book."""
_LARGEST_CHANGE = LARGEST_NUMBER

FactValue = bool | int | str | list[str] | None
TrustWord = Annotated[str, Field(json_schema_extra={"enum": list(WORDS)})]


class NewHostToken(Body):
    """A token to be made. replace: the host of that name ends when the token is used."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"host": "laptop-17"}]})

    host: Annotated[str, Field(max_length=253)]
    days: Annotated[int, Field(ge=1, le=MAX_TOKEN_DAYS)] = 7
    replace: bool = False


class HostTokenShown(Shown):
    """A token that lets one host in, once. It is shown here and never again."""

    id: int
    host: str
    expires: Moment
    replaces: bool
    token: str


class HostFaultShown(Shown):
    """What is wrong with a host's software. newest: the release that is known to be out."""

    rule: str
    level: Level
    title: str
    package: str
    version: str
    newest: str


class HostShown(Shown):
    """A host. missing: reports that never came; clashes: reports under a number that was used.

    person: whose it is, null while nobody said. altered: times that it contradicted what a key
    proved of itself; silent: it has not reported for `fleet.silent_days`; software: releases of
    programs that have to do with keys, as the system lists them.
    """

    id: str
    name: str
    state: HostState
    system: str
    release: str
    agent: str
    enrolled: Moment
    reported: Moment | None
    reports: int
    dropped: int
    missing: int
    clashes: int
    person: str | None
    software: dict[str, str]
    faults: list[HostFaultShown]
    altered: int
    silent: bool


class HostsShown(Shown):
    """A page of hosts. next: `after` of the page behind it, null at the end."""

    hosts: list[HostShown]
    next: str | None


class ClaimShown(Shown):
    """What another host says of a fact that no key can change."""

    value: FactValue
    trust: TrustWord = Trust.HOST_SIGNED.word
    day: str
    host: str


class FactShown(Shown):
    """A fact. trust: how far it can be believed; day: on which the key was seen so.

    others: what is said against it; with any, it counts as not known, unless the key proved it.
    """

    value: FactValue
    trust: TrustWord
    day: str
    host: str
    others: list[ClaimShown]


class FaultShown(Shown):
    """What is wrong with a key."""

    rule: str
    level: Level
    title: str
    fact: str
    value: FactValue


class UnreadShown(Shown):
    """A rule whose fact could not be read: nobody knows."""

    rule: str
    title: str


class LifeShown(Shown):
    """A stage of its product's life that concerns the key. reached: whether its day has come."""

    rule: str
    text: str
    day: str
    reached: Reached
    source: str


class SightingShown(Shown):
    """That a host saw the key. attached: null where the organisation does not ask.

    person: whose the host is, null while nobody said.
    """

    host: str
    name: str
    first: str
    last: str
    attached: bool | None
    person: str | None


class FleetKeyShown(Shown):
    """A key of the fleet. unreadable: reasons, by a fact's name or the beginning of several.

    holder: who has it, as the organisation says; claims: what hosts' users say, which wait.
    """

    id: str
    serial: int | None
    firmware: str | None
    first_seen: str
    last_seen: str
    level: Level | None
    faults: list[FaultShown]
    unknown: list[UnreadShown]
    lifecycle: list[LifeShown]
    facts: dict[str, FactShown]
    unreadable: dict[str, str]
    seen: list[SightingShown]
    holder: HeldShown | None
    claims: list[HolderClaimShown]


class FleetKeysShown(Shown):
    """A page of keys. next: `after` of the page behind it, null at the end."""

    keys: list[FleetKeyShown]
    next: str | None


class ChangeShown(Shown):
    """A fact that became another one. null: not known before, or not there any more.

    number: `before` of the page behind it.
    """

    number: int
    time: Moment
    host: str
    fact: str
    before: FactValue
    after: FactValue


class ChangesShown(Shown):
    """Changes of a key, newest first."""

    changes: list[ChangeShown]


class AdminFleet:
    """Handlers over the desks for the fleet and for advisories."""

    def __init__(self, desk: FleetDesk, advisories: AdvisoryDesk) -> None:
        self._desk = desk
        self._advisories = advisories

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        get, post = HTTPMethod.GET, HTTPMethod.POST
        read, write, whole = Permission.FLEET_READ, Permission.FLEET_WRITE, Reach.SERVICE
        return [
            Route(
                post,
                "/fleet/tokens",
                self.create_token,
                write,
                whole,
                HostTokenShown,
                HTTPStatus.CREATED,
                query=(REASON,),
                body=NewHostToken,
            ),
            Route(get, "/fleet/hosts", self.list_hosts, read, whole, HostsShown, query=_HOSTS),
            Route(
                post,
                "/fleet/hosts/{host_id}/erase",
                self.erase,
                Permission.FLEET_ERASE,
                whole,
                HostShown,
                query=(REASON,),
            ),
            Route(get, "/fleet/keys", self.list_keys, read, whole, FleetKeysShown, query=_SEARCH),
            Route(get, _KEY, self.show_key, read, whole, FleetKeyShown),
            Route(
                get,
                _KEY + "/changes",
                self.changes,
                read,
                whole,
                ChangesShown,
                query=(BEFORE, LIMIT),
            ),
        ]

    async def create_token(self, request: web.Request) -> web.Response:
        """Make a token that lets a host in, once."""
        cause = read_cause(request)
        wanted = await read_json(request, NewHostToken)
        text, token = await self._desk.create_token(
            wanted.host, days=wanted.days, replaces=wanted.replace, cause=cause
        )
        write_down(request, "fleet-token.create", token=token.token_id)
        return answer(
            request,
            HostTokenShown(
                id=token.token_id,
                host=token.host_name,
                expires=moment(token.expires_us),
                replaces=token.replaces,
                token=text,
            ),
        )

    async def list_hosts(self, request: web.Request) -> web.Response:
        """List hosts by id."""
        query = read_query(request, [parameter.name for parameter in _HOSTS])
        after, limit = query.get("after", ""), page_limit(query)
        found, more = await self._advisories.hosts(query.get("rule"), after, limit)
        hosts = [show_host(one, self._advisories.faults(one)) for one in found]
        return answer(request, HostsShown(hosts=hosts, next=more))

    async def erase(self, request: web.Request) -> web.Response:
        """Forget a host for good, and the keys that nobody else saw."""
        cause = read_cause(request)
        host = await self._desk.erase(request.match_info["host_id"], cause=cause)
        write_down(request, "host.erase", host=host.host_id)
        return answer(request, show_host(host, ()))

    async def list_keys(self, request: web.Request) -> web.Response:
        """List keys by id, those that are looked for."""
        query = read_query(request, [parameter.name for parameter in _SEARCH])
        limit = min(page_limit(query), MAX_KEYS)
        found = await self._desk.keys(_search(query), query.get("after", ""), limit)
        more = found[-1].key.key_id if len(found) == limit else None
        keys = []
        for one in found:
            keys.append(self._show(one))
            await asyncio.sleep(0)  # each takes as long as some verifications
        return answer(request, FleetKeysShown(keys=keys, next=more))

    async def show_key(self, request: web.Request) -> web.Response:
        """Show one key with all that is known of it."""
        read_query(request, ())
        return answer(request, self._show(await self._desk.key(request.match_info["key_id"])))

    async def changes(self, request: web.Request) -> web.Response:
        """Show what changed at a key, newest first."""
        query = read_query(request, ("before", "limit"))
        key_id = request.match_info["key_id"]
        await self._desk.key(key_id)  # or there is none
        before = whole_number(query, "before", default=_LARGEST_CHANGE, largest=_LARGEST_CHANGE)
        found = await self._desk.changes(key_id, before, page_limit(query))
        return answer(request, ChangesShown(changes=[_change(one) for one in found]))

    def _show(self, known: FleetKey) -> FleetKeyShown:
        key, (health, life) = known.key, self._desk.verdict(known)
        return FleetKeyShown(
            id=key.key_id,
            serial=key.serial,
            firmware=key.firmware,
            first_seen=key.first_seen.isoformat(),
            last_seen=key.last_seen.isoformat(),
            level=health.worst,
            faults=[_fault(fault) for fault in health.faults],
            unknown=[UnreadShown(rule=rule.name, title=rule.title) for rule in health.unreadable],
            lifecycle=[
                LifeShown(
                    rule=entry.stage,
                    text=entry.text,
                    day=entry.day.isoformat(),
                    reached=reached,
                    source=entry.source,
                )
                for entry, reached in life
            ],
            facts={
                name: FactShown(
                    value=_value(fact.value),
                    trust=fact.trust.word,
                    day=fact.day.isoformat(),
                    host=fact.host_id,
                    others=[
                        ClaimShown(
                            value=_value(claim.value), day=claim.day.isoformat(), host=claim.host_id
                        )
                        for claim in fact.others
                    ],
                )
                for name, fact in key.facts.items()
            },
            unreadable=dict(key.unreadable),
            seen=[
                SightingShown(
                    host=seen.host_id,
                    name=seen.host_name,
                    first=seen.first_day,
                    last=seen.last_day,
                    attached=seen.attached,
                    person=seen.person or None,
                )
                for seen in known.sightings
            ],
            holder=show_held(known.custody.holder),
            claims=[show_claim(one) for one in known.custody.claims],
        )


def _search(query: dict[str, str]) -> Search:
    firmware, level = query.get("firmware"), query.get("level")
    if level is not None and level not in set(Level):
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"level must be one of {', '.join(Level)}")
    try:
        beginning = None if firmware is None else parse_beginning(firmware)
    except VersionError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from None
    serial = whole_number(query, "serial", default=0, largest=LARGEST_NUMBER)
    return Search(
        serial=serial if "serial" in query else None,
        host_name=query.get("host"),
        firmware=beginning,
        rule=query.get("rule"),
        level=None if level is None else Level(level),
    )


def show_host(host: Host, faults: Sequence[HostFault]) -> HostShown:
    """Return a host as it is shown, with what is wrong with its software."""
    return HostShown(
        id=host.host_id,
        name=host.name,
        state=host.state,
        system=host.system,
        release=host.release,
        agent=host.agent,
        enrolled=moment(host.enrolled_us),
        reported=None if host.reported_us is None else moment(host.reported_us),
        reports=host.sequence,
        dropped=host.dropped,
        missing=host.missing,
        clashes=host.clashes,
        person=host.person or None,
        software=dict(host.software),
        faults=[
            HostFaultShown(
                rule=fault.rule,
                level=fault.level,
                title=fault.title,
                package=fault.behind.package,
                version=fault.behind.version,
                newest=str(fault.behind.newest.release),
            )
            for fault in faults
        ],
        altered=host.altered,
        silent=host.is_silent,
    )


def _fault(fault: Fault) -> FaultShown:
    rule = fault.rule
    return FaultShown(
        rule=rule.name,
        level=rule.level,
        title=rule.title,
        fact=fault.fact,
        value=_value(fault.value),
    )


def _value(value: Value | None) -> FactValue:
    return list(value) if isinstance(value, tuple) else value


def _change(one: NotedChange) -> ChangeShown:
    return ChangeShown(
        number=one.number,
        time=moment(one.at_us),
        host=one.host_id,
        fact=one.fact,
        before=_value(one.before),
        after=_value(one.after),
    )
