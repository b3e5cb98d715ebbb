"""Kinds of text that several sections hold, each checked when the configuration is read."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from server.address import Address


class Section(BaseModel):
    """A table of the file: unknown keys are refused, values keep their type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def address_text(text: str) -> str:
    """Take what `Address` can parse, as it is written."""
    Address.parse(text)
    return text


def optional_address(text: str | None) -> str | None:
    """Take an address, or none."""
    return None if text is None else address_text(text)


def zone_name(text: str) -> str:
    """Take the name of a time zone that is known here."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a name like Europe/Stockholm, or UTC") from None
    return text


def absolute_path(text: str | None) -> str | None:
    """Take a path from the root on, or none: services start in any directory."""
    if text is not None and not Path(text).is_absolute():
        raise ValueError("a file is named by its whole path, from / on")
    return text


def one_line(text: str) -> str:
    """Take text that stands in one line."""
    if not text.isprintable() or text != text.strip():
        raise ValueError("write it in one line of characters that can be shown")
    return text


def as_tuple(value: object) -> object:
    """Take the lists that TOML and JSON have for the tuples that a frozen model holds."""
    return tuple(value) if isinstance(value, list) else value
