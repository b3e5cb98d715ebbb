"""A document as JSON, and back: for who sets it in a format of their own, on another machine."""

from typing import Any

from server.reports.document import Block, Bullets, Document, Heading, Paragraph, Table


class DocumentFormError(ValueError):
    """What was read is no document."""


def write_document(document: Document) -> dict[str, Any]:
    """Return a document as JSON; `read_document` is the inverse."""
    return {
        "title": document.title,
        "facts": [list(fact) for fact in document.facts],
        "blocks": [_write(block) for block in document.blocks],
    }


def read_document(value: Any) -> Document:  # noqa: ANN401 - JSON
    """Return the document that JSON holds. DocumentFormError."""
    try:
        return Document(
            _text(value["title"]),
            tuple((_text(name), _text(said)) for name, said in value["facts"]),
            tuple(_read(block) for block in value["blocks"]),
        )
    except (KeyError, TypeError, ValueError):
        raise DocumentFormError("this is no document of a report") from None


def _write(block: Block) -> dict[str, Any]:
    match block:
        case Heading(text):
            return {"kind": "heading", "text": text}
        case Paragraph(text):
            return {"kind": "paragraph", "text": text}
        case Bullets(items):
            return {"kind": "bullets", "items": list(items)}
        case Table(caption, columns, rows):
            cells = [list(row) for row in rows]
            return {"kind": "table", "caption": caption, "columns": list(columns), "rows": cells}


def _read(value: Any) -> Block:  # noqa: ANN401 - JSON
    match value["kind"]:
        case "heading":
            return Heading(_text(value["text"]))
        case "paragraph":
            return Paragraph(_text(value["text"]))
        case "bullets":
            return Bullets(tuple(map(_text, value["items"])))
        case "table":
            columns = tuple(map(_text, value["columns"]))
            rows = tuple(tuple(map(_text, row)) for row in value["rows"])
            if any(len(row) != len(columns) for row in rows):
                raise ValueError("a row has other cells than there are columns")
            return Table(_text(value["caption"]), columns, rows)
    raise ValueError("a block of another kind")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
