"""A line of the reference's files and its cells: split strictly, and joined again.

The reference's own exports quote nothing (ykval-export prints cell, comma, cell); its imports
read quotes as PHP's fgetcsv does. So both are read here. Every record is one line.
"""

import csv
import io
from collections.abc import Sequence

MAX_LINE = 1024
"""Characters of a line; the reference's longest columns sum up to less."""

MAX_LINES = 5_000_000
"""Lines of a file, comments and empty ones included."""


class CellError(ValueError):
    """A line or a cell is refused. The message never quotes it: it may be a secret."""


def is_record(line: str) -> bool:
    """Tell whether a line holds a record: it is neither empty nor a comment."""
    return bool(line.strip()) and not line.startswith("#")


def split(line: str) -> list[str]:
    """Return the cells of a line without its end; CellError when its quotes make no sense."""
    if '"' not in line:
        return line.split(",")
    try:
        rows = list(csv.reader([line], strict=True))
    except csv.Error:
        rows = []
    if len(rows) != 1:
        raise CellError(
            "its quotes do not match: a cell in quotes ends on its line, and a quote within it is"
            ' written twice ("")'
        )
    return rows[0]


def join(cells: Sequence[str]) -> str:
    """Return cells as a line with its end; `split` is the inverse."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
