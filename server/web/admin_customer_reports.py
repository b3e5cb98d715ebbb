"""The admin API on customers' reports: availability and usage, month by month, and the evidence."""

import asyncio
import json
from http import HTTPMethod, HTTPStatus

from aiohttp import web

from server.accounts.access import Permission
from server.journal.canonical import MalformedError
from server.notices.report_mail import ReportMailDesk
from server.reports.customer import CustomerReport
from server.reports.customer_desk import CustomerReportDesk
from server.reports.evidence import evidence_of
from server.reports.verification import Format, write_report
from server.uptime.segment import parse_day
from server.web.admin_notices import DeliveryShown, show_delivery
from server.web.admin_reports import HTML, page
from server.web.admin_request import answer, cause_of, read_query, write_down
from server.web.json_types import Shown
from server.web.parameters import REASON, QueryParameter
from server.web.problems import ProblemError
from server.web.route import JSON, Handler, Reach, Route

_PATH = "/customers/{customer_id}/report"
_LINES = "application/x-ndjson"
_CSV = "text/csv"
_PLAIN = "text/plain"
_MOST_CLIENTS = 1000
_MAX_DIGITS = 18
_MONTH = {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}
_DAY = {"type": "string", "format": "date", "maxLength": 10}
FIRST = QueryParameter(
    "first", _MONTH, "The first month, like 2026-09; the ledger's last one without it."
)
LAST = QueryParameter("last", _MONTH, "The last month; the first without it.")
FROM_DAY = QueryParameter(
    "from", _DAY, "The first day, like 2026-09-01; the ledger's last one without it."
)
TO_DAY = QueryParameter("to", _DAY, "The day after the last one; the next one without it.")
CLIENTS = QueryParameter(
    "clients",
    {"type": "string", "pattern": "^[0-9]{1,18}(,[0-9]{1,18})*$", "maxLength": 20_000},
    "The Client IDs whose minutes are wanted, with commas between them; none without it.",
)


class EvidenceShown(Shown):
    """A day: digests of everybody's minutes, as the ledger sums them up, and some clients'."""

    day: str
    digests: list[tuple[int, str]]
    segments: list[dict[str, object]]


class SentShown(Shown):
    """Reports that are on their way: look at them again to see whether they arrived."""

    notices: list[DeliveryShown]


class AdminCustomerReports:
    """Handlers over the desks that make customers' reports, and send them."""

    def __init__(self, desk: CustomerReportDesk, mail: ReportMailDesk) -> None:
        self._desk = desk
        self._mail = mail

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        get, read, own = HTTPMethod.GET, Permission.CUSTOMER_READ, Reach.CUSTOMER
        months = (FIRST, LAST)
        written: list[tuple[str, Handler, str]] = [
            ("csv", self.csv, _CSV),
            ("html", self.html, HTML),
            ("txt", self.text, _PLAIN),
        ]
        return [
            Route(get, _PATH, self.json, read, own, CustomerReport, query=months),
            *(
                Route(get, f"{_PATH}.{end}", handler, read, own, None, query=months, media=media)
                for end, handler, media in written
            ),
            Route(
                HTTPMethod.POST,
                f"{_PATH}/send",
                self.send,
                Permission.CUSTOMER_WRITE,
                own,
                SentShown,
                HTTPStatus.ACCEPTED,
                (*months, REASON),
            ),
            Route(
                get,
                "/reports/evidence",
                self.evidence,
                read,
                Reach.SERVICE,
                EvidenceShown,
                query=(FROM_DAY, TO_DAY, CLIENTS),
                media=_LINES,
            ),
        ]

    async def json(self, request: web.Request) -> web.Response:
        """Report a customer's availability and usage, exactly, for programs."""
        return await self._written(request, Format.JSON, JSON)

    async def csv(self, request: web.Request) -> web.Response:
        """Report a customer's availability and usage as a table (CSV)."""
        return await self._written(request, Format.CSV, _CSV)

    async def html(self, request: web.Request) -> web.Response:
        """Report a customer's availability and usage as a page."""
        report = await self._report(request)
        return page(await asyncio.to_thread(write_report, report, Format.HTML))

    async def text(self, request: web.Request) -> web.Response:
        """Report a customer's availability and usage as the text of an e-mail."""
        return await self._written(request, Format.TEXT, _PLAIN)

    async def send(self, request: web.Request) -> web.Response:
        """Send a customer's contacts the text of an e-mail now, whatever was sent before."""
        query = read_query(request, ("first", "last", "reason"))
        number = int(request.match_info["customer_id"])
        begun = await self._mail.send(
            number, query.get("first"), query.get("last"), cause=cause_of(request, query)
        )
        write_down(request, "customer.report-send", customer=number)
        return answer(request, SentShown(notices=[show_delivery(one) for one in begun]))

    async def evidence(self, request: web.Request) -> web.StreamResponse:
        """Show what proves clients' minutes against the ledger, a day a line."""
        query = read_query(request, ("from", "to", "clients"))
        first, end = (_day(query, name) for name in ("from", "to"))
        clients = _clients(query)
        pieces = self._desk.evidence(first, end)
        # The first one before the head: what is refused is refused as a problem.
        piece = await anext(pieces)
        reply = web.StreamResponse(headers={"Content-Type": _LINES})
        await reply.prepare(request)
        while True:
            # Digests of a thousand clients take their time: in a thread, others have their turn.
            for one in await asyncio.to_thread(evidence_of, piece, clients):
                line = json.dumps(one.to_json(), separators=(",", ":"))
                await reply.write(line.encode() + b"\n")
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                break
        await reply.write_eof()
        return reply

    async def _written(self, request: web.Request, form: Format, media: str) -> web.Response:
        report = await self._report(request)
        text = await asyncio.to_thread(write_report, report, form)
        charset = None if media == JSON else "utf-8"
        return web.Response(body=text.encode(), content_type=media, charset=charset)

    async def _report(self, request: web.Request) -> CustomerReport:
        query = read_query(request, ("first", "last"))
        number = int(request.match_info["customer_id"])
        return await self._desk.report(number, query.get("first"), query.get("last"))


def _day(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return parse_day(text)
    except MalformedError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} is a day, like 2026-09-01") from None


def _clients(query: dict[str, str]) -> frozenset[int]:
    text = query.get("clients")
    if text is None:
        return frozenset()
    parts = text.split(",")
    if len(parts) > _MOST_CLIENTS or not all(
        part.isascii() and part.isdecimal() and len(part) <= _MAX_DIGITS for part in parts
    ):
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            f"clients are at most {_MOST_CLIENTS} Client IDs with commas between them",
        )
    return frozenset(map(int, parts))
