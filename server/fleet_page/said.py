"""What laptops said, for people: short, in one line, with nothing in it that is not seen. Pure.

Names, values and reasons come from machines that somebody else may control.
"""

import unicodedata
from datetime import date
from typing import NamedTuple

from agent.report import Value
from server.fleet.absorbing import KnownKey
from server.pages import words
from server.plain_text import harmless

MAX_TEXT = 160
"""Characters of a value that are shown; a report's texts have 128, lists of words more."""

_MARKS = 2
"""Marks on one letter; more of them climb into other lines."""

_SHORT = 12


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text with what is invisible written out, few marks on a letter, and an end."""
    kept: list[str] = []
    marks = 0
    for letter in text[: limit + 1]:
        marks = marks + 1 if unicodedata.category(letter).startswith("M") else 0
        if marks <= _MARKS:
            kept.append(letter)
    shown = harmless("".join(kept))
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def value(found: Value | None, *, absent: str = "not there") -> str:
    """Return a fact's value in words."""
    match found:
        case None:
            return absent
        case bool():
            return "yes" if found else "no"
        case int():
            return str(found)
        case str():
            return plain(found) or "empty"
        case _:
            return plain(", ".join(found)) or "none"


class Named(NamedTuple):
    """What a key is called. text: short; whole: all of it, for who looks for it elsewhere."""

    text: str
    whole: str


def name_of(key: KnownKey) -> Named:
    """Return what a key is called: its number, or the beginning of what stands for it."""
    return named(key.key_id)


def named(key_id: str) -> Named:
    """Return what the key with an id is called."""
    kind, _, rest = key_id.partition(":")
    if kind == "serial":
        return Named(rest, rest)
    if kind == "hash":
        return Named(f"hash {rest[:_SHORT]}…", rest)
    return Named(f"no number, {rest.rpartition(':')[2][:_SHORT]}…", rest)


def host_name(name: str, host_id: str) -> str:
    """Return what a host is called; without a name, the beginning of its id."""
    return plain(name, 80) or (f"host {host_id[:_SHORT]}…" if host_id else "an erased host")


def day(of: date | str) -> str:
    """Return a day in words."""
    return words.day(of if isinstance(of, date) else date.fromisoformat(of))


def number(count: int) -> str:
    """Return `1,234`."""
    return f"{count:,}"


def counted(count: int, one: str, more: str = "") -> str:
    """Return `1 key`, `1,234 keys`. more: for another plural than with an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


REASONS = {
    "absent": "the key has no such thing",
    "switched-off": "switched off on the key",
    "unsupported": "this firmware cannot tell",
    "refused": "the key refused",
    "garbage": "the answer made no sense",
    "in-use": "another program was using the key",
    "deadline": "it took too long",
    "removed": "the key was pulled out",
    "reader-failed": "the reader failed",
    "not-permitted": "the agent was not permitted",
    "not-readable-here": "cannot be read on this system",
}
"""Reasons of docs/agent.md. Newer agents may know others: those are shown as they are."""


def reason(word: str) -> str:
    """Return why something could not be read."""
    return REASONS.get(word, plain(word, 60))
