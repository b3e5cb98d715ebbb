"""The admin API on incidents: `/api/v1/incidents`."""

from collections.abc import Awaitable
from http import HTTPMethod, HTTPStatus
from typing import Protocol

from aiohttp import web

from server.accounts.access import Permission
from server.accounts.customers import CustomerDesk
from server.incidents.desk import IncidentDesk, NewIncident, SpanText
from server.incidents.record import AuthorKind, Incident
from server.incidents.record_json import read_record
from server.incidents.severity import Severity
from server.journal.acts import Cause
from server.journal.canonical import MalformedError
from server.probing.desk import ProbeDesk
from server.web.admin_request import (
    CALLER,
    answer,
    page_limit,
    read_cause,
    read_json,
    read_query,
    whole_number,
    write_down,
)
from server.web.incident_bodies import (
    AmendmentGiven,
    ClientsGiven,
    HandIn,
    Losses,
    NewIncidentGiven,
    NoteGiven,
    Resolution,
    SeverityGiven,
    Telling,
    UpdateGiven,
)
from server.web.incident_shown import IncidentShown, IncidentsShown, show_incident
from server.web.json_types import Body
from server.web.parameters import AFTER, LARGEST_NUMBER, LIMIT, NEEDED_REASON, OPEN_ONLY, REASON
from server.web.problems import ProblemError
from server.web.route import Handler, Reach, Route

_ONE = "/incidents/{incident_id}"


class _Step(Protocol):
    """What the desk does with an incident, with words for everybody."""

    def __call__(
        self, incident_id: int, *, tell: str = "", cause: Cause
    ) -> Awaitable[Incident]: ...


class AdminIncidents:
    """Handlers over the operator's desk for incidents."""

    def __init__(self, desk: IncidentDesk, customers: CustomerDesk, probers: ProbeDesk) -> None:
        self._desk = desk
        self._customers = customers
        self._probers = probers

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write = Permission.INCIDENT_READ, Permission.INCIDENT_WRITE
        get, post, whole = HTTPMethod.GET, HTTPMethod.POST, Reach.SERVICE
        shown, why, made = IncidentShown, (REASON,), HTTPStatus.CREATED
        page = (AFTER, LIMIT, OPEN_ONLY)
        steps: dict[str, Handler] = {
            "acknowledge": self.acknowledge,
            "mitigate": self.mitigate,
            "worsen": self.worsen,
        }

        def step(verb: str, handler: Handler, body: type[Body]) -> Route:
            return Route(post, f"{_ONE}/{verb}", handler, write, whole, shown, query=why, body=body)

        handed, prober = "/incidents/taken-over", Permission.PROBE_WRITE
        return [
            Route(get, "/incidents", self.list_all, read, whole, IncidentsShown, query=page),
            Route(post, "/incidents", self.open, write, whole, shown, made, why, NewIncidentGiven),
            Route(post, handed, self.take_over, prober, whole, shown, query=why, body=HandIn),
            Route(get, _ONE, self.show, read, whole, shown),
            *(step(verb, handler, Telling) for verb, handler in steps.items()),
            step("reopen", self.reopen, Telling)._replace(query=(NEEDED_REASON,)),
            step("dismiss", self.dismiss, Telling)._replace(query=(NEEDED_REASON,)),
            step("resolve", self.resolve, Resolution),
            step("update", self.update, UpdateGiven),
            step("note", self.note, NoteGiven),
            step("assign", self.assign, SeverityGiven),
            step("confirm", self.confirm, Losses),
            step("affect", self.affect, ClientsGiven),
            step("amend", self.amend, AmendmentGiven)._replace(
                permission=Permission.INCIDENT_AMEND, query=(NEEDED_REASON,)
            ),
        ]

    async def list_all(self, request: web.Request) -> web.Response:
        """List incidents by number; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit", "open"))
        after = whole_number(query, "after", default=0, largest=LARGEST_NUMBER)
        limit = page_limit(query)
        found = await self._desk.list(after, limit, unsettled=query.get("open") == "yes")
        clocks = await self._desk.clocks(found)
        now_s = await self._desk.now_s()
        shown = [show_incident(one, clocks[one.incident_id], now_s) for one in found]
        more = found[-1].incident_id if len(found) == limit else None
        return answer(request, IncidentsShown(incidents=shown, next=more))

    async def open(self, request: web.Request) -> web.Response:
        """Open an incident: its clocks run from the report."""
        body = await read_json(request, NewIncidentGiven)
        cause = read_cause(request)
        if body.customer is not None:
            await self._customers.show(body.customer)
        one = await self._desk.open(
            NewIncident(
                component=body.component,
                title=body.title,
                situation=body.situation.situation,
                severity=None if body.severity is None else Severity(body.severity),
                reported=body.reported,
                zone=body.zone,
                customer=body.customer,
                public=body.public,
                tell=body.tell,
            ),
            cause=cause,
        )
        return await self._changed(request, "open", one)

    async def take_over(self, request: web.Request) -> web.Response:
        """Take over an incident that was begun elsewhere, with its true times."""
        body = await read_json(request, HandIn)
        try:
            records = [read_record(dict(value)) for value in body.records]
        except MalformedError as error:
            words = f"one of the records is none: {error}"
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, words) from error
        cause = read_cause(request)
        authors = {record.author for record in records}
        for prober in sorted(one.name for one in authors if one.kind is AuthorKind.PROBER):
            await self._probers.claim(prober, cause)
        one = await self._desk.take_over(body.reference, records, cause=cause)
        return await self._changed(request, "take-over", one)

    async def show(self, request: web.Request) -> web.Response:
        """Show one incident with its clocks and its history."""
        read_query(request, ())
        return await self._shown(request, await self._desk.show(_number(request)))

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Take an incident on: this is what stops the clock of the initial response."""
        return await self._step(request, "acknowledge", self._desk.acknowledge)

    async def mitigate(self, request: web.Request) -> web.Response:
        """Note that the service works again."""
        return await self._step(request, "mitigate", self._desk.mitigate)

    async def worsen(self, request: web.Request) -> web.Response:
        """Note that it does not work after all."""
        return await self._step(request, "worsen", self._desk.worsen)

    async def reopen(self, request: web.Request) -> web.Response:
        """Go on with an incident that was resolved or dismissed."""
        return await self._step(request, "reopen", self._desk.reopen)

    async def dismiss(self, request: web.Request) -> web.Response:
        """Note that it was no incident; once seconds were confirmed, as who may amend."""
        body = await read_json(request, Telling)
        may_amend = request[CALLER].may(Permission.INCIDENT_AMEND)
        one = await self._desk.dismiss(
            _number(request), tell=body.tell, may_amend=may_amend, cause=read_cause(request)
        )
        return await self._changed(request, "dismiss", one)

    async def resolve(self, request: web.Request) -> web.Response:
        """Resolve an incident; severity 1 and 2 with a summary."""
        body = await read_json(request, Resolution)
        one = await self._desk.resolve(
            _number(request), summary=body.summary, tell=body.tell, cause=read_cause(request)
        )
        return await self._changed(request, "resolve", one)

    async def update(self, request: web.Request) -> web.Response:
        """Tell something of an incident: to everybody, or only to those it concerns."""
        body = await read_json(request, UpdateGiven)
        one = await self._desk.update(
            _number(request), body.text, public=body.public, cause=read_cause(request)
        )
        return await self._changed(request, "update", one)

    async def note(self, request: web.Request) -> web.Response:
        """Note something for those who look: it stops no clock."""
        body = await read_json(request, NoteGiven)
        one = await self._desk.note(_number(request), body.text, cause=read_cause(request))
        return await self._changed(request, "note", one)

    async def assign(self, request: web.Request) -> web.Response:
        """Assign a severity, with a reason where it is another than was proposed."""
        body = await read_json(request, SeverityGiven)
        one = await self._desk.assign(
            _number(request), Severity(body.severity), cause=read_cause(request)
        )
        return await self._changed(request, "assign", one)

    async def confirm(self, request: web.Request) -> web.Response:
        """Confirm which seconds were lost, and which part of the service."""
        body = await read_json(request, Losses)
        one = await self._desk.confirm(
            _number(request),
            [SpanText(loss.start, loss.end, loss.impact) for loss in body.losses],
            zone=body.zone,
            cause=read_cause(request),
        )
        return await self._changed(request, "confirm", one)

    async def affect(self, request: web.Request) -> web.Response:
        """Say which clients it concerns; none stands for all."""
        body = await read_json(request, ClientsGiven)
        one = await self._desk.affect(_number(request), body.clients, cause=read_cause(request))
        return await self._changed(request, "affect", one)

    async def amend(self, request: web.Request) -> web.Response:
        """Amend what counts of some seconds, with a reason."""
        body = await read_json(request, AmendmentGiven)
        one = await self._desk.amend(
            _number(request),
            SpanText(body.start, body.end, body.impact),
            zone=body.zone,
            cause=read_cause(request),
        )
        return await self._changed(request, "amend", one)

    async def _step(self, request: web.Request, verb: str, step: _Step) -> web.Response:
        body = await read_json(request, Telling)
        one = await step(_number(request), tell=body.tell, cause=read_cause(request))
        return await self._changed(request, verb, one)

    async def _changed(self, request: web.Request, verb: str, one: Incident) -> web.Response:
        write_down(request, f"incident.{verb}", incident=one.incident_id)
        return await self._shown(request, one)

    async def _shown(self, request: web.Request, one: Incident) -> web.Response:
        clocks = await self._desk.clocks([one])
        shown = show_incident(one, clocks[one.incident_id], await self._desk.now_s())
        return answer(request, shown)


def _number(request: web.Request) -> int:
    return int(request.match_info["incident_id"])
