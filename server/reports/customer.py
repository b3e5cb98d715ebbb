"""What a customer is told: availability and usage of each Client ID, month by month. Pure.

A report carries everything that it is computed from: whose it is, the months, as of when, the
method with its numbers, and where the ledger ended. Whoever has the ledger computes it again.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import Field, ValidationError

from server.accounts.text import InputError
from server.incidents.availability import Availability
from server.incidents.instants import write_instant
from server.incidents.intervals import Span
from server.incidents.periods import month as month_span
from server.incidents.periods import term as term_span
from server.reports.values import Count, Instant, Part, Requests, Seconds, Share

TYPE: Literal["keystead-customer-report"] = "keystead-customer-report"
VERSION: Literal[1] = 1
METHOD = "1"
"""The method's version: another one is to be read beside another text, and computes otherwise."""

MOST_MONTHS = 24
MOST_CLIENTS = 1000
ALL_CLIENTS = 0
"""In the place of a Client ID: all of the service's clients together."""

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)
Month: TypeAlias = Annotated[str, Field(pattern="^[0-9]{4}-(0[1-9]|1[0-2])$")]
_Line: TypeAlias = Annotated[str, Field(max_length=200)]
_HASH = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ReportFormError(ValueError):
    """What was read is no report of this kind; the message says what is wrong with it."""


class Served(Part):
    """One period of one client (or of all): how many requests, and how its seconds went."""

    requests: Requests
    seconds: Seconds


class MonthServed(Served):
    """A calendar month of UTC, as far as it had gone."""

    month: Month


class TermServed(Served):
    """The plan's term, as far as it had gone. [start, end)."""

    start: Instant
    end: Instant


class ClientServed(Part):
    """A client's months and term. client: ALL_CLIENTS for the whole service; name: "" there."""

    client: Count
    name: _Line
    months: tuple[MonthServed, ...]
    term: TermServed | None


class ReportedPlan(Part):
    """A plan's term as local dates of its entity."""

    begins: date
    ends: date


class ReportedCustomer(Part):
    """Whose report it is. requirements: the version of the usage requirements accepted last."""

    id: Count
    name: _Line
    entity: _Line
    plan: ReportedPlan | None
    validation: bool
    requirements: _Line | None


class ReportedMethod(Part):
    """By which rule everything was computed. bad_ratio: None for in proportion."""

    version: _Line
    notice_s: Count
    min_requests: Count
    bad_ratio: Share | None
    target: Share


class ReportedLedger(Part):
    """Where the ledger ended when the report was made."""

    sequence: Count
    hash: _HASH


class CustomerReport(Part):
    """A report. service: all clients together; first, last: its months."""

    type: Literal["keystead-customer-report"]
    v: Literal[1]
    keystead: _Line
    customer: ReportedCustomer
    first: Month
    last: Month
    as_of: Instant
    ledger: ReportedLedger
    method: ReportedMethod
    service: ClientServed
    clients: Annotated[tuple[ClientServed, ...], Field(max_length=MOST_CLIENTS)]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; `of_json` is the inverse."""
        return self.model_dump(mode="json")

    @classmethod
    def of_json(cls, value: object) -> "CustomerReport":
        """Read a report's form; whether it is right is `verification`'s to say."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ReportFormError(
                f"no report of a version known here: {place}: {first['msg']}"
            ) from None


class Question(NamedTuple):
    """What a report asks the ledger. client: ALL_CLIENTS for all together."""

    client: int
    period: Span


class Answer(NamedTuple):
    """What the ledger says of it."""

    requests: Requests
    figures: Availability


class Request(NamedTuple):
    """Which report is wanted. names: of the clients, by Client ID."""

    customer: ReportedCustomer
    names: Mapping[int, str]
    first: str
    last: str
    as_of: int
    method: ReportedMethod
    keystead: str


def request_of(report: CustomerReport) -> Request:
    """Return the request that a report answers."""
    return Request(
        report.customer,
        {one.client: one.name for one in report.clients},
        report.first,
        report.last,
        report.as_of,
        report.method,
        report.keystead,
    )


def months_of(first: str, last: str) -> list[str]:
    """Return the months from the first to the last, `2026-10`. InputError."""
    start, end = (_number(text) for text in (first, last))
    if end < start:
        raise InputError(f"the last month, {last}, is before the first, {first}")
    if end - start >= MOST_MONTHS:
        raise InputError(f"a report has at most {MOST_MONTHS} months; ask for it in parts")
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(start, end + 1)]


def span_of_month(name: str) -> Span:
    """Return a month's seconds, in UTC. InputError."""
    year, number = divmod(_number(name), 12)
    return month_span(year, number + 1)


def questions(request: Request) -> list[Question]:
    """Return everything that has to be known for a report, in its order. InputError."""
    spans = [span_of_month(name) for name in months_of(request.first, request.last)]
    if spans[0].start >= request.as_of:
        raise InputError(
            f"{request.first} has not begun as of {write_instant(request.as_of)}: there is nothing"
            " to report"
        )
    term = _term(request)
    periods = spans if term is None else [*spans, term]
    clients = [ALL_CLIENTS, *sorted(request.names)]
    return [Question(client, period) for client in clients for period in periods]


def compose(
    request: Request, ledger: ReportedLedger, answers: Mapping[Question, Answer]
) -> CustomerReport:
    """Return the report that answers make."""
    return CustomerReport(
        type=TYPE,
        v=VERSION,
        keystead=request.keystead,
        customer=request.customer,
        first=request.first,
        last=request.last,
        as_of=request.as_of,
        ledger=ledger,
        method=request.method,
        service=_served(request, ALL_CLIENTS, "", answers),
        clients=tuple(
            _served(request, client, name, answers)
            for client, name in sorted(request.names.items())
        ),
    )


def _served(
    request: Request, client: int, name: str, answers: Mapping[Question, Answer]
) -> ClientServed:
    months = tuple(
        MonthServed(month=month, **_parts(answers[Question(client, span_of_month(month))]))
        for month in months_of(request.first, request.last)
    )
    term = _term(request)
    whole = (
        None
        if term is None
        else TermServed(start=term.start, end=term.end, **_parts(answers[Question(client, term)]))
    )
    return ClientServed(client=client, name=name, months=months, term=whole)


def _parts(answer: Answer) -> dict[str, Any]:
    return {"requests": answer.requests, "seconds": Seconds.of(answer.figures)}


def _term(request: Request) -> Span | None:
    """Return the plan's term; None when there is none, or when it has not begun."""
    plan = request.customer.plan
    if plan is None:
        return None
    span = term_span(plan.begins, plan.ends)
    return span if span.start < request.as_of else None


def _number(text: str) -> int:
    found = _MONTH.fullmatch(text)
    if found is None or int(found[1]) < 1970:  # noqa: PLR2004 - when counting began
        raise InputError(f"{text!r} is no month: write it as 2026-10")
    return int(found[1]) * 12 + int(found[2]) - 1


def total(served: Sequence[Served]) -> Served:
    """Return periods that follow each other as one: seconds and requests add up exactly."""
    seconds = [one.seconds for one in served]
    requests = [one.requests for one in served]
    return Served(
        requests=Requests(
            good=sum(one.good for one in requests),
            bad=sum(one.bad for one in requests),
            excluded=sum(one.excluded for one in requests),
        ),
        seconds=Seconds(
            period_s=sum(one.period_s for one in seconds),
            maintenance_s=sum(one.maintenance_s for one in seconds),
            unknown_s=sum(one.unknown_s for one in seconds),
            downtime_s=sum((one.downtime_s for one in seconds), Fraction(0)),
            target=seconds[0].target,
            budget_full_period_s=sum((one.budget_full_period_s for one in seconds), Fraction(0)),
        ),
    )
