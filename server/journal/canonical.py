"""JSON in the one spelling that is hashed and signed (RFC 8785), and read back strictly."""

import json
from collections.abc import Sequence
from typing import Any

import rfc8785

MAX_LINE = 4 * 1024 * 1024
"""Octets of a line of an export. Entries are a few hundred."""

HASH_OCTETS = 32


class MalformedError(ValueError):
    """A text is not what it should be; the message says what is wrong with it."""


def canonical(value: object) -> bytes:
    """Return a value as canonical JSON. MalformedError for one that JSON cannot carry safely.

    That is: a number beyond 2^53, a lone surrogate, nesting without end.
    """
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type] # it checks what it gets by itself
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError) as error:
        raise MalformedError(f"not a JSON value that can be signed: {error}") from None


def parse_object(line: bytes) -> dict[str, Any]:
    """Read one JSON object in which no name stands twice. MalformedError."""
    if len(line) > MAX_LINE:
        raise MalformedError(f"longer than {MAX_LINE:,} octets")
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_refuse)
    except MalformedError:
        raise
    except (ValueError, RecursionError):
        raise MalformedError("not JSON text") from None
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object")
    return value


def _pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedError("a name stands twice in one object")
    return value


def _refuse(_constant: str) -> None:
    raise MalformedError("a number that JSON does not have")


def member(value: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
    """Return a member of an object that is exactly of a kind. MalformedError."""
    found = value.get(name)
    if type(found) is not kind:
        raise MalformedError(f'"{name}" is missing or not what it should be')
    return found


def octets(value: dict[str, Any], name: str, size: int) -> bytes:
    """Return a member of `size` octets, written as hexadecimal digits in lower case."""
    text: str = member(value, name, str)
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if found.hex() != text or len(found) != size:
        raise MalformedError(f'"{name}" is not {2 * size} hexadecimal digits')
    return found


def exactly(value: dict[str, Any], names: frozenset[str]) -> None:
    """Refuse (MalformedError) an object with other members than these."""
    if value.keys() != names:
        odd = sorted(value.keys() ^ names)
        raise MalformedError(f"these members are missing or unknown: {', '.join(odd)[:200]}")
