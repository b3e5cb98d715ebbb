"""A document as Markdown (CommonMark, with tables as GitHub and others have them).

What people wrote is shown as they wrote it: characters that mean something in Markdown are
escaped, so that no title becomes a link and no name an image.
"""

import re

from server.reports.document import Block, Bullets, Document, Heading, Paragraph, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&#])")
# What makes a list or a heading of the line it begins.
_BEGINNING = re.compile(r"^(?:([-+=])|([0-9]{1,9})([.)]))")
_BLANKS = re.compile(r"\s+")


def write_markdown(document: Document) -> str:
    """Return a document as text that ends with a line feed."""
    parts = [f"# {escaped(document.title)}"]
    if document.facts:
        parts.append(_table(("", ""), document.facts))
    parts += [_block(block) for block in document.blocks]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return text on one line, with nothing in it that Markdown takes for its own."""
    line = _SPECIAL.sub(r"\\\1", _BLANKS.sub(" ", text).strip())
    return _BEGINNING.sub(_unlisted, line)


def _unlisted(found: re.Match[str]) -> str:
    sign, number, point = found.groups()
    return f"\\{sign}" if sign else f"{number}\\{point}"


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {escaped(text)}"
        case Paragraph(text):
            return escaped(text)
        case Bullets(items):
            return "\n".join(f"- {escaped(item)}" for item in items)
        case Table(caption, columns, rows):
            return f"{escaped(caption)}\n\n{_table(columns, rows)}"


def _table(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    lines = [columns, ("---",) * len(columns), *(tuple(map(escaped, row)) for row in rows)]
    lines[0] = tuple(map(escaped, columns))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
