"""The admin API on availability: what was kept of the promise, of one client and of all."""

from http import HTTPMethod
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import Field

from server.accounts.access import Permission
from server.accounts.clients import ClientDesk
from server.accounts.customers import CustomerDesk
from server.accounts.text import InputError
from server.incidents.availability import Availability, Verdict
from server.incidents.figures import floored, fraction, rational
from server.incidents.instants import write_instant
from server.incidents.intervals import Span
from server.incidents.periods import term
from server.uptime.asked_period import Kind, asked_period
from server.uptime.desk import Bar, UptimeDesk
from server.uptime.proposals import Proposal
from server.uptime.segment import Segment, day_name
from server.web.admin_request import answer, read_query, whole_number
from server.web.json_types import Moment, Shown
from server.web.parameters import QueryParameter
from server.web.route import Reach, Route

_MOST_BARS = 366
_BARS = 90

PERIOD = QueryParameter(
    "period",
    {"type": "string", "enum": [kind.value for kind in Kind]},
    "A calendar month, a quarter, a plan's term, or thirty days; the month without it.",
)
OF = QueryParameter(
    "of",
    {"type": "string", "maxLength": 10},
    "Which one: 2026-10, 2026-Q4, the first date of a term, the last one of thirty days; without"
    " it the one that is now.",
)
DAYS = QueryParameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": _MOST_BARS},
    "How many days, today the last of them; 90 without it.",
)


class AvailabilityShown(Shown):
    """The availability of a period, exactly. client: null for all together.

    Seconds weighed by impact are fractions, as text. The decimals are cut off, never rounded.
    min_requests: of today's minutes; notice_s: maintenance counts if announced more than so long
    before its start.
    """

    client: int | None
    start: Moment = Field(serialization_alias="from", validation_alias="from")
    end: Moment = Field(serialization_alias="to", validation_alias="to")
    as_of: Moment
    period_s: int
    maintenance_s: int
    eligible_s: int
    unknown_s: int
    known_s: int
    downtime_s: str
    availability: str | None
    availability_exact: str | None
    availability_low: str | None
    availability_high: str | None
    coverage: str | None
    budget_allowed_s: str
    budget_remaining_s: str
    budget_full_period_s: str
    target: str
    verdict: Verdict
    min_requests: int
    notice_s: int


class BarShown(Shown):
    """A day of all together."""

    day: str
    downtime_s: str
    unknown_s: int
    maintenance_s: int
    verdict: Verdict


class BarsShown(Shown):
    """Days in order."""

    days: list[BarShown]


class ProposalShown(Shown):
    """Adjacent minutes with losses. worst: the largest impact; lost_s: weighed by impact."""

    start: Moment
    end: Moment
    worst: str
    lost_s: str


class ProposalsShown(Shown):
    """What the minutes of a period propose, in order."""

    client: int | None
    proposals: list[ProposalShown]


class SegmentShown(Shown):
    """A day of one client, in the form that the ledger's entry of the day commits to."""

    client: int
    day: str
    good: int
    bad: int
    excluded: int
    min_requests: int
    seen: str
    exceptions: list[list[int]]


class SegmentsShown(Shown):
    """The segments of a closed day: of all together, of each client and of the probes."""

    segments: list[SegmentShown]


class AdminUptime:
    """Handlers over the desk for uptime. zone: on whose wall months and quarters begin."""

    def __init__(
        self, desk: UptimeDesk, clients: ClientDesk, customers: CustomerDesk, zone: ZoneInfo
    ) -> None:
        self._desk = desk
        self._clients = clients
        self._customers = customers
        self._zone = zone

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        get, whole, own = HTTPMethod.GET, Reach.SERVICE, Reach.CLIENT
        read, status = Permission.CLIENT_READ, Permission.STATUS_READ
        path, client = "/availability", "/clients/{client_id}/availability"
        asked, shown = (PERIOD, OF), AvailabilityShown
        proposed = "/proposals"
        return [
            Route(get, path, self.of_all, status, whole, shown, query=asked),
            Route(get, path + "/days", self.bars, status, whole, BarsShown, query=(DAYS,)),
            Route(
                get,
                path + proposed,
                self.proposed_for_all,
                status,
                whole,
                ProposalsShown,
                query=asked,
            ),
            Route(
                get,
                path + "/segments/{day}",
                self.segments,
                Permission.JOURNAL_READ,
                whole,
                SegmentsShown,
            ),
            Route(get, client, self.of_client, read, own, shown, query=asked),
            Route(
                get,
                client + proposed,
                self.proposed_for_client,
                read,
                own,
                ProposalsShown,
                query=asked,
            ),
        ]

    async def of_all(self, request: web.Request) -> web.Response:
        """Show the availability of all clients together, without those left out as probers."""
        return answer(request, await self._show(request, None))

    async def of_client(self, request: web.Request) -> web.Response:
        """Show the availability of one client: by its requests, and where it had none by probes."""
        return answer(request, await self._show(request, await self._client(request)))

    async def proposed_for_all(self, request: web.Request) -> web.Response:
        """Show what the minutes of all together propose as incidents, for a person to confirm."""
        return answer(request, await self._propose(request, None))

    async def proposed_for_client(self, request: web.Request) -> web.Response:
        """Show what the minutes of one client propose as incidents."""
        return answer(request, await self._propose(request, await self._client(request)))

    async def bars(self, request: web.Request) -> web.Response:
        """Show the last days of all together, one by one."""
        query = read_query(request, ("days",))
        days = max(1, whole_number(query, "days", default=_BARS, largest=_MOST_BARS))
        return answer(request, BarsShown(days=[_bar(one) for one in await self._desk.bars(days)]))

    async def segments(self, request: web.Request) -> web.Response:
        """Show the segments of a day that is closed: what its entry in the ledger commits to."""
        read_query(request, ())
        found = await self._desk.segments(request.match_info["day"])
        return answer(request, SegmentsShown(segments=[_segment(one) for one in found]))

    async def _client(self, request: web.Request) -> int:
        client_id = int(request.match_info["client_id"])
        await self._clients.show(client_id)  # or there is none
        return client_id

    async def _show(self, request: web.Request, client_id: int | None) -> AvailabilityShown:
        period, as_of = await self._period(request, client_id)
        found = await self._desk.availability(client_id, period, as_of)
        return AvailabilityShown.model_validate(
            {
                "client": client_id,
                "from": write_instant(period.start),
                "to": write_instant(period.end),
                "as_of": write_instant(as_of),
                "min_requests": self._desk.min_requests,
                "notice_s": self._desk.notice_s,
                **_written(found),
            }
        )

    async def _propose(self, request: web.Request, client_id: int | None) -> ProposalsShown:
        period, _ = await self._period(request, client_id)
        found = await self._desk.proposals(client_id, period)
        return ProposalsShown(client=client_id, proposals=[_proposal(one) for one in found])

    async def _period(self, request: web.Request, client_id: int | None) -> tuple[Span, int]:
        query = read_query(request, ("period", "of"))
        kind, of = query.get("period", Kind.MONTH), query.get("of")
        if kind not in set(Kind):
            raise InputError(f"the period is one of {', '.join(Kind)}")
        as_of = await self._desk.as_of()
        if kind == Kind.TERM and of is None and client_id is not None:
            return await self._term(client_id), as_of
        return asked_period(Kind(kind), of, as_of, self._zone), as_of

    async def _term(self, client_id: int) -> Span:
        """Return the term of the plan of whoever owns a client."""
        customer_id = (await self._clients.show(client_id)).details.customer_id
        if customer_id is not None:
            plan = (await self._customers.show(customer_id)).terms.plan
            if plan is not None:
                return term(plan.begins, plan.ends, self._zone)
        raise InputError("this client's customer has no plan: say when the term begins, with `of`")


def _written(found: Availability) -> dict[str, object]:
    return {
        "period_s": found.period_s,
        "maintenance_s": found.maintenance_s,
        "eligible_s": found.eligible_s,
        "unknown_s": found.unknown_s,
        "known_s": found.known_s,
        "downtime_s": rational(found.downtime_s),
        "availability": floored(found.availability),
        "availability_exact": fraction(found.availability),
        "availability_low": floored(found.low),
        "availability_high": floored(found.high),
        "coverage": floored(found.coverage),
        "budget_allowed_s": rational(found.budget_allowed_s),
        "budget_remaining_s": rational(found.budget_remaining_s),
        "budget_full_period_s": rational(found.budget_full_period_s),
        "target": floored(found.target),
        "verdict": found.verdict,
    }


def _bar(bar: Bar) -> BarShown:
    return BarShown(
        day=day_name(bar.day),
        downtime_s=rational(bar.downtime_s),
        unknown_s=bar.unknown_s,
        maintenance_s=bar.maintenance_s,
        verdict=bar.verdict,
    )


def _proposal(one: Proposal) -> ProposalShown:
    return ProposalShown(
        start=write_instant(one.span.start),
        end=write_instant(one.span.end),
        worst=rational(one.worst),
        lost_s=rational(one.lost),
    )


def _segment(one: Segment) -> SegmentShown:
    return SegmentShown.model_validate(one.to_json())
