"""`/fleet` on the operations listener: what is known of the fleet, for who may read it.

Read-only, and without a script. Few pages are made at once, each in a thread beside the event loop:
verifications may be decided by this process, too.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

import structlog
from aiohttp import hdrs, web

from server.clock import Clock
from server.fleet.criterion import in_force
from server.fleet.ports import UnknownFleetKeyError
from server.fleet.shelf import UnknownAdvisoryError
from server.fleet.view import FleetView
from server.fleet_page import (
    advisory,
    document,
    holders,
    hosts,
    key,
    keys,
    overview,
    places,
    software,
)
from server.fleet_page.document import Frame
from server.fleet_page.places import FieldError, HolderFilter, HostFilter, KeyFilter
from server.fleet_page.said import named
from server.otp.ports import StoreError
from server.web.admin_request import CALLER
from server.web.faults import describe_fault
from server.web.fleet_answers import OVERVIEW, page_answer, words_answer
from server.web.fleet_gate import FleetGate
from server.web.parameters import PATH_PARAMETERS

_ANSWER_S = 15.0
_AT_ONCE = 2
_WAITING = 32
"""Pages that are made at once, and that wait for it."""

_ROWS = 25
_HOSTS_LOOKED_AT = 500
"""For one page about an advisory on software."""

_LARGEST_CHANGE = 2**31 - 1
_MAX_DIGITS = 10

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_NO_FAULT: Mapping[str, str] = {"field": "", "text": ""}


class BusyError(Exception):
    """Too many pages wait to be made."""


class FleetPages:
    """Serves the pages. outcomes: how requests ended, since the start."""

    def __init__(
        self, view: FleetView, gate: FleetGate, outcomes: Counter[str], *, clock: Clock
    ) -> None:
        self._view = view
        self._gate = gate
        self._outcomes = outcomes
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def app(self) -> web.Application:
        """Return the application below /fleet."""
        app = web.Application(middlewares=[self._translate, self._gate.let_in])
        a_key, an_advisory = (
            f"{{{name}:{PATH_PARAMETERS[name].pattern}}}" for name in ("key_id", "advisory_id")
        )
        shown: Mapping[str, _Handler] = {
            "": self.overview,
            "/": self.overview,
            "/keys": self.keys,
            f"/keys/{a_key}": self.key,
            "/hosts": self.hosts,
            "/holders": self.holders,
            "/advisories": self.advisories,
            f"/advisories/{an_advisory}": self.advisory,
            f"/advisories/{an_advisory}/hosts": self.software,
        }
        for path, handler in shown.items():
            app.router.add_get(path, self._in_turn(handler))
        self._gate.register(app)
        return app

    async def overview(self, request: web.Request) -> web.Response:
        """Show the whole fleet."""
        numbers, taken = await self._view.numbers(), await self._view.census()
        counting, listed = self._view.counted, self._view.desk.advisories
        rules, decided = self._view.rules, in_force(await self._view.advisories.decisions())
        frame = _frame(request, "Overview", "overview")

        def write() -> bytes:
            page = overview.lay_out(numbers, rules, taken, counting, listed, decided=decided)
            return document.write("overview", frame, page=page)

        return page_answer(await asyncio.to_thread(write))

    async def keys(self, request: web.Request) -> web.Response:
        """Show keys, those that are looked for."""
        query, filters, frame = dict(request.query), KeyFilter(), _frame(request, "Keys", "keys")
        rules = self._view.rules
        try:
            filters = places.read_filter(query)
            place, search = places.read_place(query), filters.search()
        except FieldError as error:
            return _mistaken("keys", frame, filters, error, rules=rules)
        found = await self._view.keys(search, place, _ROWS)

        def write() -> bytes:
            judged = [self._view.desk.verdict(known).health for known in found.entries]
            page = keys.lay_out(found, judged, filters, place)
            return document.write(
                "keys", frame, page=page, filters=filters, fault=_NO_FAULT, rules=rules
            )

        return page_answer(await asyncio.to_thread(write))

    async def key(self, request: web.Request) -> web.Response:
        """Show one key with all that is known of it."""
        desk, key_id = self._view.desk, request.match_info["key_id"]
        known = await desk.key(key_id)
        before = _whole_number(request.query.get("changes", ""))
        below = _LARGEST_CHANGE if before is None else before
        found = await desk.changes(key_id, below, _ROWS + 1)
        changes = key.Changes(found[:_ROWS], before is None, len(found) > _ROWS)
        back = places.way_back(request.query.get("back", ""))
        frame = _frame(request, f"Key {named(key_id).text}", "keys")

        def write() -> bytes:
            exposures = [(one, desk.exposure(known, one)) for one in desk.advisories]
            verdict = desk.verdict(known)
            judged = key.Judged(verdict.health, exposures, verdict.life)
            return document.write("key", frame, page=key.lay_out(known, judged, changes, back))

        return page_answer(await asyncio.to_thread(write))

    async def hosts(self, request: web.Request) -> web.Response:
        """Show hosts, those that are looked for."""
        query, filters, frame = dict(request.query), HostFilter(), _frame(request, "Hosts", "hosts")
        try:
            filters = places.read_host_filter(query)
            place, trouble = places.read_place(query), filters.wanted()
        except FieldError as error:
            return _mistaken("hosts", frame, filters, error)
        found = await self._view.hosts(filters.name, trouble, place, _ROWS)
        page = hosts.lay_out(found, filters, self._clock.now_us())

        def write() -> bytes:
            return document.write("hosts", frame, page=page, filters=filters, fault=_NO_FAULT)

        return page_answer(await asyncio.to_thread(write))

    async def holders(self, request: web.Request) -> web.Response:
        """Show who holds which key."""
        query, filters = dict(request.query), HolderFilter()
        frame = _frame(request, "Holders", "holders")
        try:
            filters = places.read_holder_filter(query)
            place, search = places.read_place(query), filters.search()
        except FieldError as error:
            return _mistaken("holders", frame, filters, error)
        found = await self._view.holders(search, place.entry, _ROWS)
        page = holders.lay_out(found, filters, place)

        def write() -> bytes:
            return document.write("holders", frame, page=page, filters=filters, fault=_NO_FAULT)

        return page_answer(await asyncio.to_thread(write))

    async def advisories(self, request: web.Request) -> web.Response:
        """Show all advisories, and how many keys each hits."""
        taken, counting = await self._view.census(), self._view.counted
        decided = in_force(await self._view.advisories.decisions())
        on_software = self._view.advisories.advisories_on_software()
        page = {
            "advisories": [
                overview.advisory_row(one, taken, decided)
                for one in reversed(self._view.desk.advisories)
            ],
            "census": overview.census_note(taken, counting),
            "software": [software.software_row(one) for one in on_software],
        }
        frame = _frame(request, "Advisories", "advisories")
        return page_answer(await asyncio.to_thread(document.write, "advisories", frame, page=page))

    async def advisory(self, request: web.Request) -> web.Response:
        """Show whom an advisory hits."""
        about = self._view.desk.advisory(request.match_info["advisory_id"])
        query = dict(request.query)
        try:
            filters, place = places.read_hit_filter(query), places.read_place(query)
        except FieldError as error:
            return _no_page(request, error)
        hits = await self._view.hits(
            about, lambda exposure: advisory.wants(filters, exposure), place.entry, _ROWS
        )
        taken, counting = await self._view.census(), self._view.counted
        decisions = await self._view.advisories.decisions()
        is_on_software = bool(self._view.advisories.on_software(about.advisory_id))
        frame = _frame(request, about.advisory_id, "advisories")

        def write() -> bytes:
            judged = [self._view.desk.verdict(hit.known).health for hit in hits.keys]
            page = advisory.lay_out(
                about,
                hits,
                judged,
                taken,
                filters=filters,
                place=place,
                decisions=decisions,
                is_on_software=is_on_software,
            )
            census = overview.census_note(taken, counting)
            return document.write("advisory", frame, page=page, census=census)

        return page_answer(await asyncio.to_thread(write))

    async def software(self, request: web.Request) -> web.Response:
        """Show hosts whose programs an advisory is about."""
        name = request.match_info["advisory_id"]
        about = self._view.advisories.on_software(name)
        if not about:
            raise UnknownAdvisoryError(name)
        try:
            place = places.read_place(dict(request.query))
        except FieldError as error:
            return _no_page(request, error)
        found, beyond = await self._view.advisories.hit_hosts(name, place.entry, _HOSTS_LOOKED_AT)
        frame = _frame(request, name, "advisories")

        def write() -> bytes:
            page = software.lay_out(about, found, beyond, place)
            return document.write("software", frame, page=page)

        return page_answer(await asyncio.to_thread(write))

    def _in_turn(self, handler: _Handler) -> _Handler:
        """Return a handler that makes its page when it is its turn, and not for ever."""

        async def make(request: web.Request) -> web.StreamResponse:
            if self._waiting >= _WAITING:
                raise BusyError
            self._waiting += 1
            try:
                async with asyncio.timeout(_ANSWER_S), self._turns:
                    answer = await handler(request)
            finally:
                self._waiting -= 1
            self._outcomes["shown"] += 1
            return answer

        return make

    @web.middleware
    async def _translate(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turn every refusal and fault into a page."""
        allow = ""
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            status, allow = HTTPStatus(refusal.status), refusal.headers.get(hdrs.ALLOW, "")
            outcome, text = "absent", "There is nothing at this address, or not to be done so."
        except (UnknownFleetKeyError, UnknownAdvisoryError) as error:
            status, outcome, text = HTTPStatus.NOT_FOUND, "absent", _sentence(str(error))
        except (StoreError, TimeoutError, BusyError) as error:
            _log.warning("fleet_page_not_shown", **describe_fault(error))
            status, outcome = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"
            text = "The store does not answer, or too many look at once. Try again in a moment."
        except Exception as fault:  # noqa: BLE001 - a door: what it does not know is a plain 500
            request_id = secrets.token_hex(8)
            _log.error("fleet_page_fault", request_id=request_id, **describe_fault(fault))
            status, outcome = HTTPStatus.INTERNAL_SERVER_ERROR, "fault"
            text = f"An unforeseen fault; the service's log has it under request id {request_id}."
        self._outcomes[outcome] += 1
        answer = words_answer(
            status, status.phrase, text, operator=_operator(request), link=OVERVIEW
        )
        if allow:
            answer.headers[hdrs.ALLOW] = allow
        return answer


def _frame(request: web.Request, title: str, here: str) -> Frame:
    return Frame(title, here, _operator(request))


def _operator(request: web.Request) -> str:
    caller = request.get(CALLER)
    return "" if caller is None else caller.actor.name


def _mistaken(
    template: str,
    frame: Frame,
    filters: KeyFilter | HostFilter | HolderFilter,
    error: FieldError,
    **parts: object,
) -> web.Response:
    """Return a list's form with what is wrong in it, and no list."""
    fault = {"field": error.field, "text": str(error)}
    octets = document.write(template, frame, page=None, filters=filters, fault=fault, **parts)
    return page_answer(octets, HTTPStatus.BAD_REQUEST)


def _no_page(request: web.Request, error: FieldError) -> web.Response:
    operator = _operator(request)
    return words_answer(
        HTTPStatus.BAD_REQUEST, "No such page", str(error), operator=operator, link=OVERVIEW
    )


def _whole_number(text: str) -> int | None:
    """Return the number of a change; what is none begins with the newest."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return min(int(text), _LARGEST_CHANGE) if is_number else None


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
