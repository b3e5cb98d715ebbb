"""The admin API for probers: `/api/v1/probe-results`, and who hands in."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field

from server.accounts.access import Permission
from server.incidents.instants import write_instant
from server.journal.acts import Cause
from server.probing.desk import ProbeDesk
from server.probing.finding import LATEST_US, MAX_WHY, Finding, FindingError, Outcome
from server.probing.ports import MOST_AT_ONCE, ProberDetails
from server.web.admin_request import CALLER, answer, moment, read_json, read_query
from server.web.json_types import Body, Moment, Shown
from server.web.problems import ProblemError
from server.web.route import Reach, Route

_Micros = Annotated[int, Field(ge=0, lt=LATEST_US)]


class FindingBrought(Body):
    """A round (good, bad, excluded), or a time of which nothing is known. Times: microseconds."""

    number: Annotated[int, Field(ge=1, lt=1 << 62)]
    outcome: Annotated[Outcome, Field(strict=False)]
    at_us: _Micros
    until_us: _Micros
    why: Annotated[str, Field(max_length=MAX_WHY)] = ""


class FindingsBrought(Body):
    """Findings of one prober, in the order of their numbers."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prober": "0123456789abcdef", "findings": []}]}
    )

    prober: Annotated[str, Field(pattern="^[a-z0-9]{8,64}$")]
    findings: Annotated[list[FindingBrought], Field(max_length=MOST_AT_ONCE)]


class WindowShown(Shown):
    """Announced maintenance of validation, as it counts."""

    start: Moment
    end: Moment


class ReceiptShown(Shown):
    """number: all up to this one are here, durably; maintenance: windows that are not over."""

    number: int
    maintenance: list[WindowShown]


class ProberShown(Shown):
    """A prober. number: its last; missing: numbers that never came; since: of the first failure."""

    name: str
    number: int
    missing: int
    heard: Moment
    failing: bool
    since: Moment | None
    why: str


class ProbersShown(Shown):
    """All that ever handed in."""

    probers: list[ProberShown]


class AdminProbe:
    """Handlers over the desk for probers."""

    def __init__(self, desk: ProbeDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write = Permission.PROBE_READ, Permission.PROBE_WRITE
        service = Reach.SERVICE
        return [
            Route(HTTPMethod.GET, "/probers", self.list_probers, read, service, ProbersShown),
            Route(
                HTTPMethod.POST,
                "/probe-results",
                self.take,
                write,
                service,
                ReceiptShown,
                body=FindingsBrought,
            ),
        ]

    async def list_probers(self, request: web.Request) -> web.Response:
        """Show who hands in, and how the service stands by each."""
        read_query(request, ())
        probers = await self._desk.list_probers()
        return answer(request, ProbersShown(probers=[_shown(one) for one in probers]))

    async def take(self, request: web.Request) -> web.Response:
        """Take what a prober found; what is here already may come again."""
        read_query(request, ())
        brought = await read_json(request, FindingsBrought)
        findings = [_finding(one) for one in brought.findings]
        cause = Cause(request[CALLER].actor)
        number, windows = await self._desk.take(brought.prober, findings, cause=cause)
        maintenance = [
            WindowShown(start=write_instant(start), end=write_instant(end))
            for start, end in windows
        ]
        return answer(request, ReceiptShown(number=number, maintenance=maintenance))


def _finding(brought: FindingBrought) -> Finding:
    try:
        return Finding.from_json(brought.model_dump())
    except FindingError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None


def _shown(one: ProberDetails) -> ProberShown:
    standing = one.known.standing
    return ProberShown(
        name=one.name,
        number=one.known.number,
        missing=one.missing,
        heard=moment(one.heard_us),
        failing=standing.failing,
        since=moment(standing.since_us) if standing.failing else None,
        why=standing.why if standing.failing else "",
    )
