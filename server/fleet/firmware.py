"""Versions of firmware and applets, compared as numbers, and the ranges that advisories name."""

import re
from typing import NamedTuple, Self

_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})", re.ASCII)


class VersionError(ValueError):
    """Not a version; the message says what one looks like."""


_BEGINNING = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", re.ASCII)


def parse_beginning(text: str) -> tuple[int, ...]:
    """Read how versions begin: "5", "5.4" or "5.4.3". VersionError."""
    if _BEGINNING.fullmatch(text) is None:
        raise VersionError("firmware must be as 5, 5.4 or 5.4.3: whole numbers of a version")
    return tuple(map(int, text.split(".")))


class Version(NamedTuple):
    """A version. 5.10.0 comes after 5.9.0."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "5.7.1"; VersionError."""
        found = _VERSION.fullmatch(text)
        if found is None:
            raise VersionError(f"{text[:40]!r} is not a version such as 5.7.1")
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        """Return the version as `parse` reads it."""
        return f"{self.major}.{self.minor}.{self.patch}"


class VersionRange(NamedTuple):
    """Versions from `start` on and below `end`; None: without an end on that side."""

    start: Version | None = None
    end: Version | None = None

    def includes(self, version: Version) -> bool:
        """Tell whether a version lies within."""
        after = self.start is None or version >= self.start
        return after and (self.end is None or version < self.end)
