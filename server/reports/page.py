"""A document as one page of HTML that needs nothing beside it: no script, no picture, no network.

Jinja escapes everything that is put in. The page says itself what a browser may do with it
(Content-Security-Policy): show it, with this one style sheet, and nothing else.
"""

import base64
import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.journal.canonical import canonical
from server.reports.document import Bullets, Document, Heading, Paragraph, Table

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = Path(__file__).parent
_BLOCKS = {Heading: "heading", Paragraph: "paragraph", Bullets: "bullets", Table: "table"}
_DATA = re.compile(
    r'<script type="application/json" id="keystead-report">(.*?)</script>', re.DOTALL
)


def write_page(document: Document, data: object = None) -> str:
    """Return a document as HTML. data: JSON that the page carries along, for programs."""
    blocks = [(_BLOCKS[type(block)], block) for block in document.blocks]
    carried = None if data is None else _harmless(canonical(data).decode())
    return _template().render(document=document, blocks=blocks, data=carried, style=_style())


def data_of_page(page: str) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON that a page carries along, None when there is none. ValueError."""
    found = _DATA.search(page)
    return None if found is None else json.loads(found[1])


def _harmless(text: str) -> str:
    """Return JSON in which nothing can end the element that it stands in."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class _Style:
    """The style sheet and the digest by which the page allows it."""

    def __init__(self, text: str) -> None:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        self.text = text
        self.source = f"'sha256-{digest}'"


@lru_cache(maxsize=1)
def _style() -> _Style:
    return _Style((_HERE / "page.css").read_text("utf-8"))


@lru_cache(maxsize=1)
def _template() -> "Template":
    # Late: a service that starts has no pages to write.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
