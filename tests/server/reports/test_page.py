"""A page shows what was written and does nothing."""

import base64
import hashlib
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from server.reports.document import Document, Paragraph
from server.reports.page import data_of_page, write_page
from tests.server.reports.papers import PLAIN, documents


class Reader(HTMLParser):
    """Collects the elements of a page, its texts and its style."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    page = write_page(PLAIN)
    reader = read(page)
    names = {tag for tag, _ in reader.elements}
    assert not names & {"script", "img", "link", "iframe", "form", "a"}
    assert not any("src" in more or "href" in more for _, more in reader.elements)


def test_the_page_allows_its_own_style_and_nothing_else() -> None:
    page = write_page(PLAIN)
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [
        more["content"]
        for _, more in read(page).elements
        if more.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


@given(documents)
def test_no_character_of_a_person_becomes_an_element(document: Document) -> None:
    tags = [tag for tag, _ in read(write_page(document)).elements]
    assert tags.count("script") == 0
    assert tags.count("h1") == 1
    assert {*tags} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1"),
        *("h2", "p", "ul", "li", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"),
        *("dl", "dt", "dd"),
    }
    assert document.title in "".join(read(write_page(document)).texts)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4))
def test_what_a_page_carries_is_read_back_and_cannot_end_its_element(data: dict[str, str]) -> None:
    page = write_page(Document("x", (), (Paragraph("y"),)), data)
    assert data_of_page(page) == data
    assert page.count("</script>") == 1


def test_a_page_without_data_has_none() -> None:
    assert data_of_page(write_page(PLAIN)) is None
