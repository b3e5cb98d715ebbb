"""Documents and reports for tests, and any document that hypothesis can think of."""

from fractions import Fraction

from hypothesis import strategies as st

from server.incidents.availability import TARGET, Availability
from server.incidents.instants import parse_instant
from server.reports.customer import (
    Answer,
    CustomerReport,
    Question,
    ReportedCustomer,
    ReportedLedger,
    ReportedMethod,
    ReportedPlan,
    Request,
    compose,
    questions,
)
from server.reports.document import Bullets, Document, Heading, Paragraph, Table
from server.reports.values import Requests

PLAIN = Document(
    "Incident 3: nobody got an answer",
    (("Severity", "1"), ("Reported", "2026-09-05 08:00:00 UTC")),
    (
        Heading("Timeline"),
        Paragraph("Everything stood still."),
        Bullets(("first", "second")),
        Table("What happened", ("Time", "What"), (("08:00", "opened"), ("08:05", "acknowledged"))),
    ),
)

# What people can type: `Texts` and titles take characters that can be shown.
shown = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")),
    min_size=1,
    max_size=30,
).filter(lambda text: text.strip() != "")
blocks = st.one_of(
    st.builds(Heading, shown),
    st.builds(Paragraph, shown),
    st.builds(Bullets, st.lists(shown, min_size=1, max_size=3).map(tuple)),
    st.builds(
        Table,
        shown,
        st.just(("one", "two")),
        st.lists(st.tuples(shown, shown), min_size=1, max_size=3).map(tuple),
    ),
)
documents = st.builds(
    Document,
    shown,
    st.lists(st.tuples(shown, shown), max_size=2).map(tuple),
    st.lists(blocks, max_size=4).map(tuple),
)

CUSTOMER = ReportedCustomer(
    id=3,
    name="Åkeri & Söner <AB>",
    entity="ab",
    plan=ReportedPlan.model_validate({"begins": "2026-03-15", "ends": "2027-03-15"}),
    validation=True,
    requirements="2026-1",
)
METHOD = ReportedMethod(version="1", notice_s=0, min_requests=1, bad_ratio=None, target=TARGET)
AS_OF = parse_instant("2026-11-10T00:00:00Z")
REQUEST = Request(
    CUSTOMER, {7: "=mail server", 12: "vpn"}, "2026-09", "2026-11", AS_OF, METHOD, "0.1.0"
)
LEDGER = ReportedLedger(sequence=4711, hash="ab" * 32)


def answers(lost: Fraction = Fraction(2593)) -> dict[Question, Answer]:
    """Return answers to REQUEST in which client 7 lost so many seconds in every period."""
    found = {}
    for question in questions(REQUEST):
        client, period = question
        seen = min(period.end, AS_OF) - period.start
        figures = Availability(
            period_s=seen,
            maintenance_s=3600,
            unknown_s=60 if client == 12 else 0,
            downtime_s=lost if client == 7 else Fraction(0),
            target=TARGET,
            budget_full_period_s=(1 - TARGET) * (period.seconds - 3600),
        )
        requests = Requests(good=1000 + client, bad=client, excluded=5)
        found[question] = Answer(requests, figures)
    return found


def a_report() -> CustomerReport:
    """Return the report of REQUEST."""
    return compose(REQUEST, LEDGER, answers())
