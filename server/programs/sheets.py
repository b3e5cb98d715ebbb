"""What commands print for spreadsheets: RFC 4180, UTF-8, and no cell that a sheet would obey."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from server.plain_text import harmless
from server.programs.exits import CommandError, Exit
from server.sheet_cells import guard

Csv = Annotated[
    bool, typer.Option("--csv", help="Print a sheet: RFC 4180, UTF-8, nothing a sheet obeys.")
]


def say_sheet(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as a sheet, each when it comes: of a million, one page is in memory."""
    write = sys.stdout.buffer.write
    sys.stdout.flush()
    write(sheet_line(columns))
    for row in rows:
        write(sheet_line([_cell(row.get(column)) for column in columns]))
    sys.stdout.buffer.flush()


def sheet_line(cells: Sequence[str]) -> bytes:
    """Return cells as a line with its end; a spreadsheet reads the same texts, and no formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([guard(harmless(cell)) for cell in cells])
    return text.getvalue().encode()


def one_form(*, as_csv: bool, as_json: bool) -> None:
    """Refuse two forms of output at once."""
    if as_csv and as_json:
        raise CommandError("--csv and --json are two forms of the same: give one", Exit.USAGE)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)
