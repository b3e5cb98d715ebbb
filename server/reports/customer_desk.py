"""The desk for customers' reports: from what was counted to what a customer is told."""

from collections.abc import AsyncIterator, Mapping, Sequence
from fractions import Fraction

from server.accounts.clients import ClientDesk
from server.accounts.customer_ports import CustomerDetails
from server.accounts.customers import CustomerDesk
from server.accounts.text import InputError
from server.incidents.availability import TARGET, Availability
from server.incidents.instants import write_instant
from server.incidents.intervals import Span
from server.reports.customer import (
    ALL_CLIENTS,
    METHOD,
    MOST_CLIENTS,
    Answer,
    CustomerReport,
    Question,
    ReportedCustomer,
    ReportedLedger,
    ReportedMethod,
    ReportedPlan,
    Request,
    compose,
    months_of,
    questions,
)
from server.reports.ports import Counts, Figures
from server.reports.revisions import ReportStateError
from server.reports.values import Requests
from server.uptime.desk import DayCounts
from server.uptime.ports import ClosedDay
from server.uptime.segment import Segment

_DAY_S = 86_400
_FEW = 8
"""For more clients than this everybody's figures are read at once."""

_TRIES = 5

MOST_DAYS = 3 * 366
_DAYS_AT_ONCE = 7
"""A thousand clients have so many segments a week that a worker's memory can take."""


class CustomerReportDesk:
    """Makes customers' reports. keystead: this program's version. Store errors pass through."""

    def __init__(
        self,
        customers: CustomerDesk,
        clients: ClientDesk,
        figures: Figures,
        counts: Counts,
        *,
        keystead: str,
        target: Fraction = TARGET,
    ) -> None:
        self._customers = customers
        self._clients = clients
        self._figures = figures
        self._counts = counts
        self._keystead = keystead
        self._target = target

    async def report(
        self, customer_id: int, first: str | None = None, last: str | None = None
    ) -> CustomerReport:
        """Return a customer's report on months like 2026-10, as of the last day in the ledger.

        first: None for the month of that day; last: None for the first. InputError,
        UnknownCustomerError, ReportStateError.
        """
        first = write_instant((await self._last()).day * _DAY_S)[:7] if first is None else first
        last = first if last is None else last
        months_of(first, last)
        customer = await self._customers.show(customer_id)
        if len(customer.client_ids) > MOST_CLIENTS:
            raise InputError(f"a report has at most {MOST_CLIENTS} Client IDs")
        names = {
            client: (await self._clients.show(client)).details.name
            for client in customer.client_ids
        }
        for _ in range(_TRIES):
            end, day = await self._counts.ledger_end(), await self._last()
            request = Request(
                _shown(customer),
                names,
                first,
                last,
                _end(day),
                # As the ledger has them of that day: so that everybody computes by the same.
                ReportedMethod(
                    version=METHOD,
                    notice_s=day.notice_s,
                    min_requests=day.min_requests,
                    bad_ratio=None,
                    target=self._target,
                ),
                self._keystead,
            )
            answers = await self._answers(request)
            # What was recorded meanwhile may be in some of the figures and not in others.
            if await self._counts.ledger_end() == end:
                ledger = ReportedLedger(sequence=end.sequence, hash=end.hash.hex())
                return compose(request, ledger, answers)
        raise ReportStateError("the ledger is being written to all the time; try again in a minute")

    async def evidence(
        self, first_day: int | None = None, end_day: int | None = None
    ) -> AsyncIterator[Sequence[Segment]]:
        """Yield everybody's segments of closed days, some days at once; days are since the epoch.

        None: of the last closed day alone. `evidence_of` makes evidence of them: that takes a
        while, and is the caller's. InputError, ReportStateError.
        """
        first_day = (await self._last()).day if first_day is None else first_day
        end_day = first_day + 1 if end_day is None else end_day
        if not 0 <= first_day < end_day <= first_day + MOST_DAYS:
            raise InputError(f"evidence is of 1 to {MOST_DAYS} days that follow each other")
        for first in range(first_day, end_day, _DAYS_AT_ONCE):
            days = range(first, min(first + _DAYS_AT_ONCE, end_day))
            found = []
            for packed in await self._counts.segments(days.start, days.stop):
                found += [one for one in map(packed.day, days) if one is not None]
            yield found

    async def _last(self) -> ClosedDay:
        """Return the last day that the ledger holds: what came later can change."""
        last = await self._counts.last_closed()
        if last is None:
            raise ReportStateError(
                "no day has been rolled up yet: the first one is a quarter of an hour after its end"
            )
        return last

    async def _answers(self, request: Request) -> dict[Question, Answer]:
        asked, notice_s = questions(request), request.method.notice_s
        figures = {}
        for period in dict.fromkeys(one.period for one in asked):
            clients = [one.client for one in asked if one.period == period]
            known: Mapping[int, Availability] = {}
            if len(clients) > _FEW:
                known = await self._figures.availabilities(period, request.as_of, notice_s=notice_s)
            for client in clients:
                figures[client, period] = known.get(client) or await self._figures.availability(
                    None if client == ALL_CLIENTS else client,
                    period,
                    request.as_of,
                    notice_s=notice_s,
                )
        days = {
            client: await self._days(client, [one.period for one in asked], request.as_of)
            for client in dict.fromkeys(one.client for one in asked)
        }
        return {
            one: Answer(_requests(days[one.client], one.period), figures[one.client, one.period])
            for one in asked
        }

    async def _days(
        self, client: int, periods: Sequence[Span], as_of: int
    ) -> Mapping[int, DayCounts]:
        first = min(period.start for period in periods) // _DAY_S
        end = min(max(period.end for period in periods), as_of) // _DAY_S
        number = None if client == ALL_CLIENTS else client
        return {one.day: one for one in await self._figures.days(number, first, end)}


def _end(day: ClosedDay) -> int:
    return (day.day + 1) * _DAY_S


def _shown(customer: CustomerDetails) -> ReportedCustomer:
    plan = customer.terms.plan
    accepted = customer.acceptances
    return ReportedCustomer(
        id=customer.customer_id,
        name=customer.terms.name,
        entity=customer.terms.entity.value,
        plan=None if plan is None else ReportedPlan(begins=plan.begins, ends=plan.ends),
        validation=customer.terms.validation,
        requirements=accepted[-1].version if accepted else None,
    )


def _requests(days: Mapping[int, DayCounts], period: Span) -> Requests:
    within = range(period.start // _DAY_S, period.end // _DAY_S)
    counts = [days[day].counts for day in within if day in days]
    known = [one for one in counts if one is not None]
    return Requests(
        good=sum(one.good for one in known),
        bad=sum(one.bad for one in known),
        excluded=sum(one.excluded for one in known),
    )
