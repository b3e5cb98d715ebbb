"""What commands print: tables and fields for people, JSON for programs, nothing that harms."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from server.plain_text import harmless


def say(text: str = "") -> None:
    """Print a line for people; what came from outside is made harmless (S11)."""
    sys.stdout.write(harmless(text) + "\n")


def say_json(value: object) -> None:
    """Print JSON for programs: ASCII only, so that a terminal sees nothing else either."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def complain(text: str) -> None:
    """Print lines on standard error."""
    for line in text.splitlines():
        sys.stderr.write(harmless(line) + "\n")


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows under headings, columns aligned; nothing but text, so that `grep` works."""
    cells = [[harmless(_cell(row.get(column))) for column in columns] for row in rows]
    headings = [column.upper().replace("_", " ") for column in columns]
    widths = [
        max([len(heading), *(len(line[at]) for line in cells)])
        for at, heading in enumerate(headings)
    ]
    for line in [headings, *cells]:
        aligned = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        say("  ".join(aligned).rstrip())


def fields(value: Mapping[str, Any]) -> None:
    """Print one thing as `name  value` lines; nested things as JSON."""
    width = max((len(name) for name in value), default=0)
    for name, item in value.items():
        say(f"{name.replace('_', ' ').ljust(width)}  {_cell(item)}")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value:
        return value
    return json.dumps(value)
