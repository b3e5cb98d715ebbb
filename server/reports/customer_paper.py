"""A customer's report as a document: for the page, the e-mail and the PDF."""

from server.incidents.instants import write_instant
from server.reports.customer import ClientServed, CustomerReport, Served, total
from server.reports.document import Block, Bullets, Document, Heading, Paragraph, Table
from server.reports.wording import VERDICTS, count, instant, seconds, share

_COLUMNS = (
    "Period (UTC)",
    "Availability",
    "Target",
    "Downtime",
    "Unknown",
    "Maintenance",
    "Coverage",
    "Good",
    "Failed",
    "Over the limit",
)


def write_customer_paper(report: CustomerReport) -> Document:
    """Return a report as a document."""
    customer = report.customer
    whole = report.first if report.first == report.last else f"{report.first} to {report.last}"
    facts = (
        ("Customer", f"{customer.name} (customer {customer.id})"),
        ("Months", f"{whole}, calendar months of UTC"),
        ("As of", instant(report.as_of)),
        ("Plan", _plan(report)),
        ("Target", f"{share(report.method.target)} in each period"),
        ("Validation add-on", "yes" if customer.validation else "no: there is no target"),
        ("Usage requirements", customer.requirements or "no version accepted yet"),
        ("Method", f"version {report.method.version}, computed by Keystead {report.keystead}"),
        ("Ledger", f"{report.ledger.sequence} entries, last {report.ledger.hash}"),
    )
    blocks: list[Block] = []
    for client in report.clients:
        named = f"Client ID {client.client}: {client.name}".rstrip(": ")
        blocks += [Heading(named), _table(f"Client ID {client.client}, by period", client)]
    if not report.clients:
        blocks.append(Paragraph("No Client ID belongs to this customer."))
    blocks += [
        Heading("The whole service"),
        Paragraph("All clients together. It is computed by itself, not the mean of its clients."),
        _table("All clients together, by period", report.service),
        Heading("How this was computed"),
        Bullets(_method(report)),
    ]
    return Document(f"Availability and usage of {customer.name}, {whole}", facts, tuple(blocks))


def _plan(report: CustomerReport) -> str:
    plan = report.customer.plan
    entity = report.customer.entity
    if plan is None:
        return f"none ({entity})"
    return f"{plan.begins} up to, not including, {plan.ends} ({entity})"


def _table(caption: str, client: ClientServed) -> Table:
    rows = [_row(one.month, one) for one in client.months]
    if len(client.months) > 1:
        rows.append(_row("these months", total(client.months)))
    if client.term is not None:
        start, end = (write_instant(edge)[:10] for edge in (client.term.start, client.term.end))
        rows.append(_row(f"plan term {start} to {end}, so far", client.term))
    return Table(caption, _COLUMNS, tuple(rows))


def _row(period: str, served: Served) -> tuple[str, ...]:
    figures, requests = served.seconds.figures, served.requests
    return (
        period,
        share(figures.availability),
        VERDICTS[figures.verdict],
        seconds(figures.downtime_s),
        seconds(figures.unknown_s),
        seconds(figures.maintenance_s),
        share(figures.coverage),
        count(requests.good),
        count(requests.bad),
        count(requests.excluded),
    )


def _method(report: CustomerReport) -> tuple[str, ...]:
    method = report.method
    notice = f" by more than {seconds(method.notice_s)}" if method.notice_s else ""
    ratio = method.bad_ratio
    lost = "the share of them that failed" if ratio is None else f"all of it from {ratio} failed on"
    return (
        (
            "Availability is 1 - downtime / known seconds of the period up to the time above. Known"
            " are seconds outside of maintenance of which something was measured. Decimals are cut"
            " off, never rounded."
        ),
        (
            f"A minute with at least {method.min_requests} requests loses {lost}; with fewer a"
            " probe decides, and without either it is unknown, never up."
        ),
        (
            "Correct answers are good, also those that refuse an OTP. Requests over their Client"
            " ID's limit are neither good nor failed. What counts is the larger of what was"
            " measured and what a person confirmed; less only by an amendment with its reason."
        ),
        (
            f"Maintenance is left out if it was announced before it began{notice}. What ran over"
            " its end is downtime."
        ),
        (
            f"Target {share(method.target)} (Priority Support Schedule 2.f.ii), not counting"
            " maintenance: met if it holds even with every unknown second lost, not met if it fails"
            " with none lost."
        ),
        "The schedule names no measuring period: calendar months and the plan's term are shown.",
        (
            "Computed again from the ledger with: keystead report verify FILE. Names, and which"
            " Client IDs are this customer's, are not in the ledger and are not proved by it."
        ),
    )
