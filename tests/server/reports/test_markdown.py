"""What was written is what a reader of Markdown sees, whatever characters it has."""

from hypothesis import given
from markdown_it import MarkdownIt
from markdown_it.token import Token

from server.reports.document import Document
from server.reports.markdown import write_markdown
from tests.server.reports.papers import PLAIN, documents, shown


def seen(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def texts(tokens: list[Token]) -> list[str]:
    """Return what each inline part shows; fails for markup that nobody meant."""
    found = []
    for token in tokens:
        if token.type == "inline":
            children = token.children or []
            assert {child.type for child in children} <= {"text", "text_special"}
            found.append("".join(child.content for child in children))
    return found


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_a_document_is_a_heading_its_facts_and_its_blocks() -> None:
    tokens = seen(write_markdown(PLAIN))
    assert [one.tag for one in tokens if one.type == "heading_open"] == ["h1", "h2"]
    assert len([one for one in tokens if one.type == "table_open"]) == 2
    assert len([one for one in tokens if one.type == "list_item_open"]) == 2


@given(documents)
def test_no_character_of_a_person_becomes_markup(document: Document) -> None:
    tokens = seen(write_markdown(document))
    assert {token.type for token in tokens} <= {
        *(f"{kind}_{end}" for kind in KINDS for end in ("open", "close")),
        "inline",
    }
    assert squeezed(document.title) in [squeezed(text) for text in texts(tokens)]


@given(shown)
def test_a_title_is_read_back_letter_by_letter(title: str) -> None:
    (first, *_) = texts(seen(write_markdown(Document(title, (), ()))))
    assert squeezed(first) == squeezed(title)


KINDS = (
    "heading",
    "paragraph",
    "bullet_list",
    "list_item",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
)
