"""A customer's report is complete, exact, and says how it was made."""

import csv
import io
from fractions import Fraction

import pytest

from server.accounts.text import InputError
from server.reports.customer import (
    CustomerReport,
    months_of,
    questions,
    request_of,
    span_of_month,
    total,
)
from server.reports.verification import Format, write_report
from tests.server.reports.papers import AS_OF, REQUEST, a_report


def test_months_go_from_the_first_to_the_last_over_the_year() -> None:
    assert months_of("2026-11", "2027-02") == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert span_of_month("2026-02").seconds == 28 * 86_400


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-13", "2026-13", "no month"),
        ("2026-1", "2026-02", "no month"),
        ("1969-12", "1970-01", "no month"),
        ("2026-03", "2026-02", "before the first"),
        ("2026-01", "2028-01", "at most 24"),
    ],
)
def test_months_that_make_no_report_are_refused(first: str, last: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        months_of(first, last)


def test_a_month_that_has_not_begun_is_not_reported() -> None:
    with pytest.raises(InputError, match="has not begun"):
        questions(REQUEST._replace(first="2026-12", last="2026-12"))


def test_everything_is_asked_of_the_service_and_of_each_client_with_the_plans_term() -> None:
    asked = questions(REQUEST)
    assert {one.client for one in asked} == {0, 7, 12}
    assert len(asked) == 3 * 4


def test_a_term_that_has_not_begun_is_left_out() -> None:
    early = REQUEST._replace(first="2026-01", last="2026-01", as_of=span_of_month("2026-02").start)
    assert len(questions(early)) == 3


def test_a_report_holds_the_request_that_it_answers() -> None:
    assert request_of(a_report()) == REQUEST
    assert CustomerReport.of_json(a_report().to_json()) == a_report()


def test_months_add_up_to_the_whole_exactly() -> None:
    (seven, _) = a_report().clients
    whole = total(seven.months)
    assert whole.seconds.downtime_s == 3 * 2593
    assert whole.seconds.period_s == AS_OF - span_of_month("2026-09").start
    assert whole.requests.good == 3 * 1007


def test_a_breach_is_not_rounded_away() -> None:
    figures = a_report().clients[0].months[0].seconds.figures
    assert figures.availability is not None
    assert figures.availability < Fraction(999, 1000)
    text = write_report(a_report(), Format.HTML).replace("\u00a0", " ")
    row = text[text.index("2026-09</th>") :].partition("</tr>")[0]
    assert "<td>99.8998 %</td><td>not met</td>" in row


@pytest.mark.parametrize("form", [Format.HTML, Format.TEXT])
def test_method_period_and_versions_are_printed(form: Format) -> None:
    text = " ".join(write_report(a_report(), form).split())
    for part in (
        "2026-09 to 2026-11",
        "2026-11-10 00:00:00 UTC",
        "version 1, computed by Keystead 0.1.0",
        "2026-1",
        "2.f.ii",
        "ab" * 32,
        "keystead report verify",
        "4711 entries",
    ):
        assert part in text.replace("- ", "-") or part in text


def test_a_table_has_a_row_for_each_period_and_no_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(write_report(a_report(), Format.CSV))))
    assert len(rows) == 3 * 4
    assert rows[0]["client_name"] == "'=mail server"
    assert rows[0]["downtime_s"] == "2593"
    assert rows[0]["start"] == "2026-09-01T00:00:00Z"
    assert {row["ledger_sequence"] for row in rows} == {"4711"}
