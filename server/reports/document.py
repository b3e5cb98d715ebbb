"""A report as a document, before it has a format: facts, headings, paragraphs, lists, tables.

All text in it is plain: whoever writes a format escapes it.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias


class Heading(NamedTuple):
    """The beginning of a part."""

    text: str


class Paragraph(NamedTuple):
    """A paragraph of text. Line breaks in it mean nothing."""

    text: str


class Bullets(NamedTuple):
    """A list without numbers."""

    items: tuple[str, ...]


class Table(NamedTuple):
    """A table. caption: says what it shows; every row has a cell for each column."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block: TypeAlias = Heading | Paragraph | Bullets | Table


class Document(NamedTuple):
    """A report. facts: names and values that stand at its head, in order; language is English."""

    title: str
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


_BULLETS = ("- ", "* ")


def prose(text: str) -> list[Block]:
    """Return what a person wrote as blocks: empty lines part paragraphs, `- ` begins a list."""
    blocks: list[Block] = []
    for part in _parts(text):
        if all(line.startswith(_BULLETS) for line in part):
            blocks.append(Bullets(tuple(line[2:].strip() for line in part)))
        else:
            blocks.append(Paragraph(" ".join(part)))
    return blocks


def _parts(text: str) -> Iterator[list[str]]:
    part: list[str] = []
    for line in (*(line.strip() for line in text.splitlines()), ""):
        # A list ends a paragraph, and the other way round, also without an empty line.
        turns = bool(part) and part[-1].startswith(_BULLETS) != line.startswith(_BULLETS)
        if part and (not line or turns):
            yield part
            part = []
        if line:
            part.append(line)
