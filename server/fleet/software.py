"""Software beside the keys: releases of packages, advisories on them, and the newest ones."""

import re
from datetime import date
from typing import Any, NamedTuple

from server.fleet.file_members import day_of, id_of, text_of
from server.journal.canonical import MalformedError, exactly, member

_RELEASE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,5}", re.ASCII)
_PACKAGE = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_MEMBERS = frozenset({"id", "cve", "package", "from", "below", "systems", "note"})
_NEWEST = frozenset({"package", "release", "day", "source"})
SYSTEMS = frozenset({"linux", "macos", "windows"})
_FIRST_YEAR = 1990
"""A release that begins with such a number is named by its date."""


class Release(tuple[int, ...]):
    """The numbers of a release, compared one by one: 2.40 comes after 2.9, and 1.7 equals 1.7.0."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Release":
        """Read "2.40"; MalformedError for anything that is not numbers and dots."""
        if _RELEASE.fullmatch(text) is None:
            raise MalformedError(f"{text[:40]!r} is not a release such as 1.6.0")
        numbers = [int(number) for number in text.split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        return cls(numbers)

    @classmethod
    def told(cls, text: str) -> "Release | None":
        """Read what a system says of a package; None: it cannot be compared ("1.4.0rc1")."""
        return cls.parse(text) if _RELEASE.fullmatch(text) else None

    def is_comparable(self, other: "Release") -> bool:
        """Tell whether both are versions, or both dates (2021.08): one says nothing of the other.

        YubiHSM's SDK counts by dates and the tools in it by versions.
        """
        return (self[0] >= _FIRST_YEAR) is (other[0] >= _FIRST_YEAR)

    def __str__(self) -> str:
        """Return the release without zeros at its end."""
        return ".".join(map(str, self))


class SoftwareAdvisory(NamedTuple):
    """Releases of a package from `start` on (None: all before) and below `end`.

    systems: on which it matters, None for all.
    """

    advisory_id: str
    cve: str | None
    package: str
    start: Release | None
    end: Release
    note: str
    systems: frozenset[str] | None = None

    def concerns(self, package: str, release: Release) -> bool:
        """Tell whether it is about this release of a package."""
        after = self.start is None or release >= self.start
        return package == self.package and after and release < self.end

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> "SoftwareAdvisory":
        """Read one from its file; MalformedError."""
        exactly(value, _MEMBERS)
        start, end = value["from"], Release.parse(member(value, "below", str))
        first = None if start is None else Release.parse(member(value, "from", str))
        if first is not None and not (first.is_comparable(end) and first < end):
            raise MalformedError(f"the releases of {value['package']!r} end before they begin")
        return cls(
            id_of(value),
            None if value["cve"] is None else text_of(value, "cve"),
            _package(value),
            first,
            end,
            text_of(value, "note"),
            _systems(value),
        )


class Newest(NamedTuple):
    """The newest release of a package that is known. day: since when, or when that was looked up.

    There may be newer ones: whoever has an older one is behind for certain, and no more is said.
    """

    package: str
    release: Release
    day: date
    source: str

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> "Newest":
        """Read one from its file; MalformedError."""
        exactly(value, _NEWEST)
        release = Release.parse(member(value, "release", str))
        return cls(_package(value), release, day_of(value, "day"), text_of(value, "source"))


def _package(value: dict[str, Any]) -> str:
    name = text_of(value, "package")
    if _PACKAGE.fullmatch(name) is None:
        raise MalformedError(f"{name[:40]!r} is not a package such as yubico-piv-tool")
    return name


def _systems(value: dict[str, Any]) -> frozenset[str] | None:
    if value["systems"] is None:
        return None
    named: list[Any] = member(value, "systems", list)
    if not named or not all(isinstance(one, str) for one in named) or not SYSTEMS.issuperset(named):
        raise MalformedError(f'"systems" is null or names some of {", ".join(sorted(SYSTEMS))}')
    return frozenset(named)
