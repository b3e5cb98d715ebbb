"""A report that says something else than the ledger is found, in whatever format."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.reports.customer import ReportFormError, compose
from server.reports.verification import (
    Difference,
    Format,
    Verdict,
    differences,
    read_claim,
    verdict,
    write_report,
)
from tests.server.reports.papers import LEDGER, REQUEST, a_report, answers

PROVABLE = (Format.JSON, Format.CSV, Format.HTML)


@pytest.mark.parametrize("form", PROVABLE)
def test_a_report_is_read_back_computed_again_and_found_right(form: Format) -> None:
    claim = read_claim(write_report(a_report(), form).encode())
    assert claim.format is form
    assert claim.ledger == LEDGER
    assert claim.request.names == REQUEST.names
    assert differences(claim, compose(claim.request, claim.ledger, answers())) == []


@pytest.mark.parametrize("form", PROVABLE)
def test_a_figure_that_the_ledger_does_not_give_is_named(form: Format) -> None:
    claim = read_claim(write_report(a_report(), form).encode())
    computed = compose(claim.request, claim.ledger, answers(Fraction(2594)))
    found = differences(claim, computed)
    assert found
    assert "2593" in found[0].said
    assert "2594" in found[0].computed


def test_a_page_whose_words_were_altered_is_found_though_its_data_are_right() -> None:
    page = write_report(a_report(), Format.HTML).replace("2,593\u00a0s", "25\u00a0s", 1)
    claim = read_claim(page.encode())
    (found,) = differences(claim, compose(claim.request, claim.ledger, answers()))
    assert found.place == "page"


@pytest.mark.parametrize("form", PROVABLE)
def test_line_ends_of_another_system_are_no_difference(form: Format) -> None:
    text = write_report(a_report(), form).replace("\r\n", "\n").replace("\n", "\r\n")
    claim = read_claim(text.encode())
    assert differences(claim, compose(claim.request, claim.ledger, answers())) == []


def test_the_text_of_an_email_says_that_it_proves_nothing() -> None:
    with pytest.raises(ReportFormError, match="ask for the JSON"):
        read_claim(write_report(a_report(), Format.TEXT).encode())


@pytest.mark.parametrize(
    "octets",
    [b"", b"\xff\xfe", b"{}", b"{", b"<html></html>", b"customer,\n", b"[" * 10_000, b"{" * 9_999],
)
def test_what_is_no_report_is_refused_in_words(octets: bytes) -> None:
    with pytest.raises(ReportFormError):
        read_claim(octets)


_TEXTS = {form: write_report(a_report(), form) for form in PROVABLE}


@settings(max_examples=60)
@given(st.sampled_from(PROVABLE), st.data())
def test_one_altered_digit_is_found_wherever_it_stands(form: Format, data: st.DataObject) -> None:
    text = _TEXTS[form]
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    at = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from("0123456789".replace(text[at], "")))
    altered = text[:at] + digit + text[at + 1 :]
    try:
        claim = read_claim(altered.encode())
        # What says where and when is taken from the file: another request, or another figure.
        asked = read_claim(text.encode()).request
        right = compose(asked, LEDGER, answers())
        assert differences(claim, right) or claim.ledger != LEDGER or claim.request != asked
    except ReportFormError:
        pass


def test_a_report_with_unknown_parts_is_refused() -> None:
    value = {**json.loads(_TEXTS[Format.JSON]), "note": "all is well"}
    with pytest.raises(ReportFormError, match="note"):
        read_claim(json.dumps(value).encode())


def test_a_figure_that_stands_twice_is_refused() -> None:
    text = _TEXTS[Format.JSON]
    # Whoever reads the file sees the first one, and a program the second.
    altered = text.replace('"downtime_s":', '"downtime_s": "0", "downtime_s":', 1)
    assert altered != text
    with pytest.raises(ReportFormError, match="stands twice"):
        read_claim(altered.encode())


@pytest.mark.parametrize("letter", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_a_letter_in_the_place_of_a_line_end_is_a_difference(letter: str) -> None:
    text = _TEXTS[Format.HTML]
    at = text.index("<body")
    altered = text[:at] + text[at:].replace("\n", letter, 1)
    claim = read_claim(altered.encode())
    assert differences(claim, compose(claim.request, claim.ledger, answers()))


def test_a_method_that_is_not_this_ones_is_a_difference() -> None:
    value = json.loads(_TEXTS[Format.JSON])
    for name, other in (("target", "9/10"), ("version", "2"), ("bad_ratio", "1/2")):
        altered = json.dumps({**value, "method": {**value["method"], name: other}})
        claim = read_claim(altered.encode())
        found = differences(claim, compose(claim.request, claim.ledger, answers()))
        assert found[0].place == f"method.{name}"


SECONDS = Difference("clients[0].months[0].seconds.downtime_s", "0", "60")
LINE = Difference("line 2", "0", "60")
REQUESTS = Difference("clients[0].months[0].requests.good", "7", "8")
PAGE = Difference("page", "one", "another")


@pytest.mark.parametrize(
    ("found", "whole", "erased"),
    [
        ([], Verdict.RIGHT, Verdict.NOT_PROVABLE),
        ([SECONDS], Verdict.WRONG, Verdict.NOT_PROVABLE),
        ([LINE], Verdict.WRONG, Verdict.NOT_PROVABLE),
        ([REQUESTS, SECONDS], Verdict.WRONG, Verdict.WRONG),
        ([PAGE], Verdict.WRONG, Verdict.WRONG),
    ],
)
def test_what_was_erased_leaves_the_figures_of_time_unproved_and_nothing_else(
    found: list[Difference], whole: Verdict, erased: Verdict
) -> None:
    assert verdict(found, []) is whole
    assert verdict(found, [12]) is erased


@pytest.mark.parametrize("form", PROVABLE)
def test_a_difference_that_nothing_erased_explains_is_told_first(form: Format) -> None:
    claim = read_claim(write_report(a_report(), form).encode())
    computed = compose(claim.request, claim.ledger, answers(Fraction(2594)))
    requests = computed.service.months[0].requests
    fewer = requests.model_copy(update={"good": requests.good + 1})
    month = computed.service.months[0].model_copy(update={"requests": fewer})
    months = (month, *computed.service.months[1:])
    service = computed.service.model_copy(update={"months": months})
    found = differences(claim, computed.model_copy(update={"service": service}))
    if form is not Format.CSV:
        assert "requests" in found[0].place
        assert verdict(found, [12]) is Verdict.WRONG
