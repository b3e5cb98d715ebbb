"""JSON lines that are signed: one spelling for one value, so that what is read is what was signed.

Only texts, whole numbers, true, false, null, lists and objects come into a line.
"""

import json
from typing import Any, NoReturn

MAX_LINE = 64 * 1024
"""Octets. A record of a full log takes about 6,000."""


class DamagedLineError(ValueError):
    """Not such a line; the message says why."""


def line_of(value: dict[str, Any]) -> bytes:
    """Return the one spelling of an object, without the line feed at its end."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def parse_line(line: bytes) -> dict[str, Any]:
    """Read an object that is spelt as `line_of` spells it; DamagedLineError."""
    if len(line) > MAX_LINE:
        raise DamagedLineError(f"it is longer than {MAX_LINE:,} octets")
    try:
        value = json.loads(line, parse_float=_refused, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise DamagedLineError("it is not JSON, or has numbers that are not whole") from None
    if not isinstance(value, dict):
        raise DamagedLineError("it is not a JSON object")
    try:
        spelt = line_of(value)
    except (ValueError, RecursionError):
        raise DamagedLineError("it cannot be spelt") from None
    # So also: no name stands twice, nothing hides in blanks or escapes.
    if spelt != line:
        raise DamagedLineError("it is spelt in another way than it was written")
    return value


def _refused(text: str) -> NoReturn:
    raise ValueError(text)


def text(value: dict[str, Any], name: str) -> str:
    """Return a member that is a text; DamagedLineError."""
    found = value.get(name)
    if not isinstance(found, str):
        raise DamagedLineError(f'"{name}" is missing or no text')
    return found


def whole(value: dict[str, Any], name: str) -> int:
    """Return a member that is a whole number, not negative; DamagedLineError."""
    found = value.get(name)
    if type(found) is not int or found < 0:
        raise DamagedLineError(f'"{name}" is missing or no whole number')
    return found


def octets(value: dict[str, Any], name: str, size: int) -> bytes:
    """Return a member of so many octets, written in lower hexadecimal digits; DamagedLineError."""
    return of_hex(text(value, name), size)


def of_hex(written: str, size: int) -> bytes:
    """Return so many octets of lower hexadecimal digits; DamagedLineError."""
    try:
        found = bytes.fromhex(written)
    except ValueError:
        found = b""
    if found.hex() != written or len(found) != size:
        raise DamagedLineError(f"{written[:20]!r} is not {2 * size} hexadecimal digits")
    return found


def listed(value: dict[str, Any], name: str) -> list[Any]:
    """Return a member that is a list; DamagedLineError."""
    found = value.get(name)
    if not isinstance(found, list):
        raise DamagedLineError(f'"{name}" is missing or no list')
    return found


def exactly(value: dict[str, Any], names: frozenset[str]) -> None:
    """Refuse an object with other members than these; DamagedLineError."""
    if value.keys() != names:
        odd = ", ".join(sorted(value.keys() ^ names))
        raise DamagedLineError(f"these members are missing or unknown: {odd[:200]}")
