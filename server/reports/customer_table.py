"""A customer's report as CSV: a row for each Client ID and period, exact, for spreadsheets.

Every row says by itself what it is computed from. Cells that a spreadsheet would take for a
formula get an apostrophe before them: names are what people typed.
"""

import csv
import io
from fractions import Fraction

from server.incidents.cases import write_availability
from server.incidents.instants import parse_instant, write_instant
from server.reports.customer import (
    ALL_CLIENTS,
    ClientServed,
    CustomerReport,
    ReportedCustomer,
    ReportedLedger,
    ReportedMethod,
    ReportedPlan,
    ReportFormError,
    Request,
    Served,
    span_of_month,
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FIGURES = (
    "period_s",
    "maintenance_s",
    "unknown_s",
    "known_s",
    "eligible_s",
    "downtime_s",
    "availability",
    "availability_exact",
    "availability_low",
    "availability_high",
    "coverage",
    "budget_allowed_s",
    "budget_remaining_s",
    "budget_full_period_s",
    "verdict",
)
_HEAD = ("customer", "customer_name", "client", "client_name", "period", "start", "end", "as_of")
_REQUESTS = ("good", "bad", "excluded")
_TAIL = (
    "target",
    "method",
    "notice_s",
    "min_requests",
    "bad_ratio",
    "keystead",
    "requirements",
    "ledger_sequence",
    "ledger_hash",
)
COLUMNS = (*_HEAD, *_REQUESTS, *_FIGURES, *_TAIL)


def write_customer_table(report: CustomerReport) -> str:
    """Return a report as CSV (RFC 4180). client 0 is the whole service."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    for client in (*report.clients, report.service):
        for period, start, end, served in _periods(client):
            writer.writerow(_row(report, client, (period, start, end), served))
    return stream.getvalue()


def _periods(client: ClientServed) -> list[tuple[str, str, str, Served]]:
    found: list[tuple[str, str, str, Served]] = []
    for one in client.months:
        span = span_of_month(one.month)
        found.append((one.month, write_instant(span.start), write_instant(span.end), one))
    term = client.term
    if term is not None:
        found.append(("term", write_instant(term.start), write_instant(term.end), term))
    return found


def _row(
    report: CustomerReport, client: ClientServed, period: tuple[str, str, str], served: Served
) -> list[object]:
    figures = write_availability(served.seconds.figures)
    customer = report.customer
    return [
        customer.id,
        _cell(customer.name),
        client.client,
        _cell(client.name),
        *period,
        write_instant(report.as_of),
        *(getattr(served.requests, name) for name in _REQUESTS),
        *(figures[name] for name in _FIGURES),
        str(report.method.target),
        report.method.version,
        report.method.notice_s,
        report.method.min_requests,
        "" if report.method.bad_ratio is None else str(report.method.bad_ratio),
        report.keystead,
        _cell(customer.requirements or ""),
        report.ledger.sequence,
        report.ledger.hash,
    ]


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def _uncell(text: str) -> str:
    return text.removeprefix("'")


def read_customer_table(text: str) -> tuple[Request, ReportedLedger]:
    """Return what a table was made for, and where the ledger ended then. ReportFormError.

    Only what it is computed from is read: whether the rest is right is seen by writing it again.
    """
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    months = [row for row in rows if row["client"] == "0" and row["period"] != "term"]
    if not months or tuple(rows[0]) != COLUMNS:
        raise ReportFormError("not a table of a report: other columns, or no rows of client 0")
    row = months[0]
    terms = [one for one in rows if one["period"] == "term"]
    plan = None
    if terms:
        begins, ends = (terms[0][name][:10] for name in ("start", "end"))
        plan = ReportedPlan.model_validate({"begins": begins, "ends": ends})
    names = {int(one["client"]): _uncell(one["client_name"]) for one in rows}
    names.pop(ALL_CLIENTS)
    method = {name: row[name] or None for name in ("notice_s", "min_requests", "bad_ratio")}
    request = Request(
        ReportedCustomer(
            id=int(row["customer"]),
            name=_uncell(row["customer_name"]),
            entity="",
            plan=plan,
            validation=False,
            requirements=_uncell(row["requirements"]) or None,
        ),
        names,
        months[0]["period"],
        months[-1]["period"],
        parse_instant(row["as_of"]),
        ReportedMethod(
            version=row["method"],
            target=Fraction(row["target"]),
            notice_s=int(method["notice_s"] or 0),
            min_requests=int(method["min_requests"] or 0),
            bad_ratio=None if method["bad_ratio"] is None else Fraction(method["bad_ratio"]),
        ),
        row["keystead"],
    )
    ledger = ReportedLedger(sequence=int(row["ledger_sequence"]), hash=row["ledger_hash"])
    return request, ledger
