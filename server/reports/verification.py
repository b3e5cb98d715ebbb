"""Whether a customer's report says what the ledger says: read it, compute it again, compare. Pure.

The file itself says what it is computed from. JSON and the page carry the whole report, a table
carries enough of it; the page and the table are written again and compared letter by letter, so
that a figure which was altered in what people read is found as well.
"""

import csv
import enum
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from server.incidents.availability import TARGET
from server.journal.canonical import canonical
from server.reports.customer import (
    METHOD,
    CustomerReport,
    ReportedLedger,
    ReportedMethod,
    ReportFormError,
    Request,
    request_of,
)
from server.reports.customer_paper import write_customer_paper
from server.reports.customer_table import read_customer_table, write_customer_table
from server.reports.page import data_of_page, write_page
from server.reports.plain import write_plain

LARGEST_FILE = 16 * 1024 * 1024
_SECONDS = ".seconds."
_LINE = "line "
_SHOWN = 20
"""Differences that are told of one file: the first ones say enough."""


class Format(enum.StrEnum):
    """What a customer's report is written as."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"
    TEXT = "text"


class Claim(NamedTuple):
    """A report that was read: what it is computed from, where the ledger ended, and its words."""

    format: Format
    request: Request
    ledger: ReportedLedger
    text: str


class Difference(NamedTuple):
    """A place where a report says something else than what was computed."""

    place: str
    said: str
    computed: str

    @property
    def may_be_erased(self) -> bool:
        """Whether a step of an incident that was erased may have made it: seconds are counted.

        Requests, the method and a page's letters are made of nothing that can be erased. A line
        of a table has both.
        """
        return _SECONDS in self.place or self.place.startswith(_LINE)


class Verdict(enum.StrEnum):
    """What can be said of a report."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_PROVABLE = "not provable"


def verdict(found: Sequence[Difference], doubts: Sequence[int]) -> Verdict:
    """Judge a report. doubts: erased entries that could bear on its figures.

    With any, seconds that agree may lack what was erased, and those that differ may hold it; what
    nothing erased could have made is wrong all the same.
    """
    if any(not (doubts and one.may_be_erased) for one in found):
        return Verdict.WRONG
    return Verdict.NOT_PROVABLE if doubts else Verdict.RIGHT


def write_report(report: CustomerReport, form: Format) -> str:
    """Return a report in one of its formats."""
    match form:
        case Format.JSON:
            return json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
        case Format.CSV:
            return write_customer_table(report)
        case Format.HTML:
            return write_page(write_customer_paper(report), report.to_json())
        case Format.TEXT:
            return write_plain(write_customer_paper(report))


def read_claim(octets: bytes) -> Claim:
    """Read a report's file, whatever its format. ReportFormError."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise ReportFormError("not text in UTF-8, which every report is") from None
    try:
        return _claim(text)
    except ReportFormError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, csv.Error, ValidationError):
        raise ReportFormError(
            "not a report as it was written: something in it has another form"
        ) from None


def _claim(text: str) -> Claim:
    beginning = text.lstrip()[:1]
    if beginning == "{":
        return _of_report(Format.JSON, CustomerReport.of_json(_loads(text)), text)
    if beginning == "<":
        data = data_of_page(text)
        if data is None:
            raise ReportFormError("the page carries no report: it is another page, or was altered")
        return _of_report(Format.HTML, CustomerReport.of_json(data), text)
    if text.startswith("customer,"):
        request, ledger = read_customer_table(text)
        return Claim(Format.CSV, request, ledger, text)
    raise ReportFormError(
        "neither a report's JSON, nor its page, nor its table. The text of an e-mail cannot be"
        " verified: ask for the JSON of the same report"
    )


def _loads(text: str) -> Any:  # noqa: ANN401 - JSON
    """Read JSON in which no name stands twice: of two figures, people and programs see one each."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ReportFormError("a name stands twice in one object: the report was altered")
    return value


def _of_report(form: Format, report: CustomerReport, text: str) -> Claim:
    return Claim(form, request_of(report), report.ledger, text)


def differences(claim: Claim, computed: CustomerReport) -> list[Difference]:
    """Return where a report says something else, the first places; nothing when it is right."""
    written = write_report(computed, claim.format)
    found = _of_method(claim.request.method)
    if claim.format is Format.CSV:
        _walk_lines(claim.text, written, found)
        return found[:_SHOWN]
    said = json.loads(claim.text) if claim.format is Format.JSON else data_of_page(claim.text)
    _walk(said, computed.to_json(), "", found)
    # What is wrong for sure is among those that are told.
    found.sort(key=lambda one: one.may_be_erased)
    # Line ends are a matter of how a file travelled; letters are not.
    if not found and claim.format is Format.HTML and _lines(claim.text) != _lines(written):
        words = "what the page shows is not what its data say"
        found.append(Difference("page", words, "the page that these data make"))
    return found[:_SHOWN]


def _of_method(said: ReportedMethod) -> list[Difference]:
    """Return what of the method is not what is computed by here, whatever the file says of it."""
    known = {"version": METHOD, "bad_ratio": None, "target": TARGET}
    return [
        Difference(f"method.{name}", str(getattr(said, name)), str(value))
        for name, value in known.items()
        if getattr(said, name) != value
    ]


def _walk(said: Any, computed: Any, place: str, found: list[Difference]) -> None:  # noqa: ANN401
    """Compare JSON with JSON."""
    if isinstance(said, dict) and isinstance(computed, dict):
        for name in sorted(said.keys() | computed.keys()):
            _walk(said.get(name), computed.get(name), f"{place}.{name}".lstrip("."), found)
    elif isinstance(said, list) and isinstance(computed, list) and len(said) == len(computed):
        for at, (left, right) in enumerate(zip(said, computed, strict=True)):
            _walk(left, right, f"{place}[{at}]", found)
    elif said != computed or type(said) is not type(computed):
        found.append(Difference(place, _text(said), _text(computed)))


def _walk_lines(said: str, computed: str, found: list[Difference]) -> None:
    left, right = _lines(said), _lines(computed)
    for at in range(max(len(left), len(right))):
        one, other = (lines[at] if at < len(lines) else "" for lines in (left, right))
        if one != other:
            found.append(Difference(f"{_LINE}{at + 1}", one, other))


def _lines(text: str) -> list[str]:
    # Not `splitlines`: it takes letters for line ends that no reader of a table or a page does.
    return text.replace("\r\n", "\n").split("\n")


def _text(value: object) -> str:
    return value if isinstance(value, str) else canonical(value).decode()
