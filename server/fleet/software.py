"""Advisories on software beside the keys: packages on laptops and servers, by version."""

import re
from typing import Any, NamedTuple

from server.journal.canonical import MalformedError, exactly, member

_RELEASE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,5}", re.ASCII)
_MEMBERS = frozenset({"id", "cve", "package", "from", "below", "note"})


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

    def __str__(self) -> str:
        """Return the release without zeros at its end."""
        return ".".join(map(str, self))


class SoftwareAdvisory(NamedTuple):
    """Releases of a package from `start` on (None: all before) and below `end`."""

    advisory_id: str
    cve: str | None
    package: str
    start: Release | None
    end: Release
    note: str

    def concerns(self, package: str, release: Release) -> bool:
        """Tell whether it is about this release of a package."""
        after = self.start is None or release >= self.start
        return package == self.package and after and release < self.end

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> "SoftwareAdvisory":
        """Read one from its file; MalformedError."""
        exactly(value, _MEMBERS)
        start = value["from"]
        return cls(
            member(value, "id", str),
            None if value["cve"] is None else member(value, "cve", str),
            member(value, "package", str),
            None if start is None else Release.parse(member(value, "from", str)),
            Release.parse(member(value, "below", str)),
            member(value, "note", str),
        )
