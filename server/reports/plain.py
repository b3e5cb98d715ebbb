"""A document as plain text of at most 76 columns, for the body of an e-mail.

Tables become short lines of names and values: a table is not readable in a letter that wraps.
"""

import textwrap

from server.reports.document import Block, Bullets, Document, Heading, Paragraph, Table

WIDTH = 76


def write_plain(document: Document) -> str:
    """Return a document as text that ends with a line feed."""
    title = _wrapped(document.title)
    parts = [f"{title}\n{'=' * min(WIDTH, len(document.title))}"]
    if document.facts:
        parts.append(
            "\n".join(_wrapped(f"{name}: {value}", "  ") for name, value in document.facts)
        )
    parts += [_block(block) for block in document.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"{_wrapped(text)}\n{'-' * min(WIDTH, len(text))}"
        case Paragraph(text):
            return _wrapped(text)
        case Bullets(items):
            return "\n".join(_wrapped(f"- {item}", "  ") for item in items)
        case Table(caption, columns, rows):
            return "\n".join([_wrapped(f"{caption}:"), *(_row(columns, row) for row in rows)])


def _row(columns: tuple[str, ...], row: tuple[str, ...]) -> str:
    first, *rest = row
    named = [f"{name} {cell}" for name, cell in zip(columns[1:], rest, strict=True) if cell]
    return _wrapped(f"  {first}: {'; '.join(named)}" if named else f"  {first}", "    ")


def _wrapped(text: str, further: str = "") -> str:
    # Long words are cut: a mail server may refuse or fold a line of thousands of characters.
    return textwrap.fill(text, WIDTH, subsequent_indent=further)
