"""A document as PDF: tagged for readers who do not see it (PDF/UA-1), its fonts embedded.

Typst sets it. What people wrote goes in as data, never as Typst's markup. The same document at the
same time is the same file. A character that the fonts lack is named by its number, not left out.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from server.reports.document import Document
from server.reports.document_json import write_document

_TEMPLATE = Path(__file__).parent / "paper.typ"
_STANDARD: Literal["ua-1"] = "ua-1"
_COMMON = re.compile(r"[\u0020-\u007e\u00a0-\u00ac\u00ae-\u017f]*")
"""What the font has for sure; everything else is tried."""

_MOST_TRIED = 500
"""Characters to try in one document: each takes a few milliseconds."""


def write_pdf(document: Document, made_s: int) -> bytes:
    """Return a document as PDF. made_s: what it says of when it was made, Unix seconds."""
    # Late: only who prints needs it.
    import typst  # noqa: PLC0415

    value = write_document(document)
    unknown = _without_glyph(json.dumps(value, ensure_ascii=False))
    return typst.compile(
        _TEMPLATE.read_bytes(),
        output=None,
        root=None,
        format="pdf",
        sys_inputs={"document": json.dumps(_named(value, unknown))},
        ignore_system_fonts=True,
        pdf_standards=_STANDARD,
        timestamp=made_s,
    )


def _without_glyph(text: str) -> frozenset[str]:
    rare = sorted(set(_COMMON.sub("", text)))
    tried = {one for one in rare[:_MOST_TRIED] if not _has_glyph(one)}
    return frozenset(tried | set(rare[_MOST_TRIED:]))


@lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    import typst  # noqa: PLC0415

    if not character.isprintable():
        return False
    source = b'#set document(title: "x")\n#sys.inputs.text'
    try:
        typst.compile(
            source,
            format="pdf",
            sys_inputs={"text": f"a{character}a"},
            ignore_system_fonts=True,
            pdf_standards=_STANDARD,
        )
    except typst.TypstError:
        return False
    return True


def _named(value: Any, unknown: Iterable[str]) -> Any:  # noqa: ANN401 - JSON
    """Return JSON in whose texts the unknown characters stand by their numbers."""
    table = {ord(one): " " if one.isspace() else f"[U+{ord(one):04X}]" for one in unknown}

    def named(one: Any) -> Any:  # noqa: ANN401 - JSON
        match one:
            case str():
                return one.translate(table)
            case list():
                return [named(part) for part in one]
            case dict():
                return {name: named(part) for name, part in one.items()}
            case _:
                return one

    return named(value)
