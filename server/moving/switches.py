"""The `active` column, in the spellings that databases and PHP have for it."""

from server.moving.cells import CellError

_ON = frozenset({"1", "t", "true"})
_OFF = frozenset({"0", "f", "false", ""})  # PHP prints false as nothing


def read_active(cell: str) -> bool:
    """Return whether a row is active; CellError for anything else than yes and no."""
    lowered = cell.lower()
    if lowered not in _ON | _OFF:
        raise CellError("active must be 1 or 0")
    return lowered in _ON


def show_active(*, active: bool) -> str:
    """Return the reference's spelling."""
    return "1" if active else "0"
