"""Files of a ceremony that people carry about: JSON with a format's name, read strictly."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from hsm.ceremony.reach import CeremonyError

MAX_OCTETS = 1 << 22


class DocumentError(CeremonyError):
    """The file is not what it should be; the message says why."""


def written(value: Mapping[str, Any]) -> str:
    """Return the text of a file."""
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def parse(text: str, form: str) -> dict[str, Any]:
    """Read a file of a format; DocumentError."""
    if len(text) > MAX_OCTETS:
        raise DocumentError(f"it is longer than {MAX_OCTETS:,} octets")
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_float=_refused, parse_constant=_refused
        )
    except (ValueError, RecursionError):
        raise DocumentError("it is not JSON, or damaged") from None
    if not isinstance(value, dict) or value.get("format") != form:
        raise DocumentError(f"its format is not {form!r}")
    return value


def member(value: Mapping[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
    """Return a member that is exactly of a kind; DocumentError."""
    found = value.get(name)
    if type(found) is not kind:
        raise DocumentError(f'"{name}" is missing in it, or not what it should be')
    return found


def octets_in(value: Mapping[str, Any], name: str) -> bytes:
    """Return a member of octets, written in base64; DocumentError."""
    try:
        return base64.b64decode(member(value, name, str), validate=True)
    except (binascii.Error, ValueError):
        raise DocumentError(f'"{name}" in it is damaged') from None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name stands twice")
    return table


def _refused(text: str) -> NoReturn:
    raise ValueError(text)
