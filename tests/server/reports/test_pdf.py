"""A PDF that another reader reads: all of its text, tagged, the same each time."""

import io
from typing import Any

from pypdf import PdfReader

from server.reports.document import Bullets, Document, Heading, Paragraph, Table
from server.reports.pdf import write_pdf
from tests.server.reports.papers import PLAIN

MADE_S = 1_790_000_000


def read(octets: bytes) -> str:
    pages = PdfReader(io.BytesIO(octets)).pages
    return "\n".join(page.extract_text() for page in pages)


def test_all_of_a_document_is_in_the_pdf() -> None:
    text = read(write_pdf(PLAIN, MADE_S))
    for part in ("nobody got an answer", "Timeline", "Everything stood still.", "second", "08:05"):
        assert part in text


def test_the_pdf_is_tagged_and_says_its_title_and_language() -> None:
    reader = PdfReader(io.BytesIO(write_pdf(PLAIN, MADE_S)))
    root: Any = reader.root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert reader.metadata is not None
    assert reader.metadata.title == PLAIN.title


def test_the_same_document_at_the_same_time_is_the_same_file() -> None:
    assert write_pdf(PLAIN, MADE_S) == write_pdf(PLAIN, MADE_S)


def test_markup_of_the_typesetter_is_text_when_a_person_wrote_it() -> None:
    hostile = '#read("/etc/passwd") *bold* $x$ @label <tag> \\ "quoted" `raw` // gone /* gone */'
    document = Document(
        hostile, ((hostile, hostile),), (Paragraph(hostile), Heading(hostile), Bullets((hostile,)))
    )
    text = " ".join(read(write_pdf(document, MADE_S)).split())
    assert text.count('#read("/etc/passwd")') == 6
    assert text.count("gone /* gone */") == 6
    assert "root:" not in text


def test_letters_of_europe_are_shown_and_what_the_fonts_lack_is_named() -> None:
    document = Document("Łódź Ärger", (), (Paragraph("Ελλάδα Москва 漢"),))
    text = read(write_pdf(document, MADE_S))
    assert "Łódź Ärger" in text
    assert "Ελλάδα Москва [U+6F22]" in text


def test_a_long_table_goes_on_over_pages_and_repeats_its_head() -> None:
    rows = tuple((f"row {number}", "x" * 20) for number in range(150))
    octets = write_pdf(Document("Long", (), (Table("Many", ("Name", "What"), rows),)), MADE_S)
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(octets)).pages]
    assert len(pages) > 2
    assert all("Name" in page for page in pages)
    assert "row 149" in pages[-1]
