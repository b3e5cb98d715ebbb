"""Free text in a cell of a sheet: written so that no spreadsheet obeys it, and read back (S15)."""

_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Where a formula begins, also in the wide letters that Japanese sheets take for the same."""

_ESCAPED = _FORMULA | {"'"}


def guard(text: str) -> str:
    """Return free text as a cell that no spreadsheet takes for a formula.

    What begins with = + - @ TAB CR gets an apostrophe in front; so does what `unguard` would
    otherwise take for guarded.
    """
    first, second = text[:1], text[1:2]
    return f"'{text}" if first in _FORMULA or (first == "'" and second in _ESCAPED) else text


def unguard(cell: str) -> str:
    """Return what `guard` was given; other cells stay as they are."""
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in _ESCAPED else cell
