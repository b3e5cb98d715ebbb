"""Members of what stands in the file of advisories, each read strictly."""

import re
from datetime import date
from typing import Any

from server.journal.canonical import MalformedError, member

MAX_TEXT = 400
_ID = re.compile(r"[A-Z]{2,5}-[0-9-]{1,20}", re.ASCII)
"""What the paths of the admin API take: an advisory of another name could not be asked for."""


def text_of(value: dict[str, Any], name: str) -> str:
    """Return a member that is one line of text. MalformedError."""
    text: str = member(value, name, str)
    if len(text) > MAX_TEXT or not text.isprintable():
        raise MalformedError(f'"{name}" is longer than {MAX_TEXT} characters, or not one line')
    return text


def id_of(value: dict[str, Any]) -> str:
    """Return the id of an advisory. MalformedError."""
    text = text_of(value, "id")
    if _ID.fullmatch(text) is None:
        raise MalformedError(f"{text[:40]!r} is not the id of an advisory, such as YSA-2024-03")
    return text


def day_of(value: dict[str, Any], name: str) -> date:
    """Return a member that is a day. MalformedError."""
    text: str = member(value, name, str)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise MalformedError(f'"{name}" is not a day such as 2026-11-27')
    return day
