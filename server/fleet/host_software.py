"""What is wrong with the software of a host: releases that are not the newest, and advisories.

A host reports the number of a release and nothing of what a distribution mended in it: Debian and
others bring mends into old releases without a new number. So what is found here is to be looked at,
and whoever has the number of a mended release is clear.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from server.fleet.health import Level
from server.fleet.software import SYSTEMS, Newest, Release, SoftwareAdvisory

NOT_CURRENT = "software-not-current"
NOT_CURRENT_TITLE = "A program that has to do with keys is not the newest release"
NOT_CURRENT_LEVEL = Level.NOTICE


class Concern(enum.StrEnum):
    """Whether an advisory is about what is installed."""

    YES = "affected"
    UNKNOWN = "unknown"
    """The number of the release cannot be compared."""


class Behind(NamedTuple):
    """A program that is older than the newest release that is known."""

    package: str
    version: str
    newest: Newest


class SoftwareHit(NamedTuple):
    """A package that an advisory is about, or may be. mended: the release that it ended with."""

    advisory_id: str
    package: str
    version: str
    concern: Concern
    mended: Release


def behind(software: Mapping[str, str], releases: Iterable[Newest]) -> tuple[Behind, ...]:
    """Return the programs of a host that are not the newest. What cannot be compared is not one."""
    found = []
    for newest in releases:
        version = software.get(newest.package)
        release = None if version is None else Release.told(version)
        if version is None or release is None or not release.is_comparable(newest.release):
            continue
        if release < newest.release:
            found.append(Behind(newest.package, version, newest))
    return tuple(found)


def software_hits(
    software: Mapping[str, str], system: str, advisories: Iterable[SoftwareAdvisory]
) -> tuple[SoftwareHit, ...]:
    """Return what advisories say of a host's software. system: as it reports its own."""
    found = []
    for advisory in advisories:
        version = software.get(advisory.package)
        if version is None or not _is_about(advisory, system):
            continue
        release = Release.told(version)
        if release is None or not release.is_comparable(advisory.end):
            concern = Concern.UNKNOWN
        elif advisory.concerns(advisory.package, release):
            concern = Concern.YES
        else:
            continue
        hit = SoftwareHit(advisory.advisory_id, advisory.package, version, concern, advisory.end)
        found.append(hit)
    return tuple(found)


def _is_about(advisory: SoftwareAdvisory, system: str) -> bool:
    # An agent on a system that is not known here may be concerned by any.
    return advisory.systems is None or system not in SYSTEMS or system in advisory.systems
