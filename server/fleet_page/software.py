"""Advisories on software: which programs they are about, and hosts that have them. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from server.fleet.advisory_desk import HitHost
from server.fleet.health import Level
from server.fleet.host_software import Concern
from server.fleet.paging import Place
from server.fleet.software import SoftwareAdvisory
from server.fleet_page import places
from server.fleet_page.keys import Turning
from server.fleet_page.places import KeyFilter
from server.fleet_page.said import host_name, plain


class SoftwareRow(NamedTuple):
    """An advisory on software. programs: which releases of what it is about."""

    name: str
    cve: str
    href: str
    programs: Sequence[str]
    notes: Sequence[str]


class PackageRow(NamedTuple):
    """A program of a host that an advisory is about, or may be."""

    host: str
    keys: str
    person: str
    package: str
    version: str
    verdict: str
    tone: str
    mended: str


class SoftwarePage(NamedTuple):
    """Everything on it."""

    row: SoftwareRow
    hosts: Sequence[PackageRow]
    turning: Turning


def software_row(about: Sequence[SoftwareAdvisory]) -> SoftwareRow:
    """Return an advisory; about: what it says of each program."""
    first = about[0]
    return SoftwareRow(
        first.advisory_id,
        first.cve or "",
        hosts_address(first.advisory_id),
        [_program(one) for one in about],
        [plain(one.note, 400) for one in about if one.note],
    )


def hosts_address(advisory_id: str) -> str:
    """Return where the hosts are that have what an advisory is about."""
    return f"{places.ADVISORIES}/{advisory_id}/hosts"


def lay_out(
    about: Sequence[SoftwareAdvisory], found: Sequence[HitHost], beyond: str | None, place: Place
) -> SoftwarePage:
    """Return the page. beyond: the last host that was looked at, None: all were."""
    row = software_row(about)
    return SoftwarePage(
        row,
        [
            PackageRow(
                host_name(one.host.name, one.host.host_id),
                places.address(places.KEYS, KeyFilter(host=one.host.name)),
                plain(one.host.person),
                plain(hit.package),
                plain(hit.version),
                _VERDICT[hit.concern],
                _TONE[hit.concern],
                str(hit.mended),
            )
            for one in found
            for hit in one.hits
        ],
        Turning(
            first=row.href if place.entry else "",
            later="" if beyond is None else places.address(row.href, (), Place(beyond)),
        ),
    )


_VERDICT = {
    Concern.YES: "older than the release in which it is mended",
    Concern.UNKNOWN: "nobody can say: its number cannot be compared",
}
_TONE = {Concern.YES: Level.WARNING.value, Concern.UNKNOWN: "unknown"}


def _program(one: SoftwareAdvisory) -> str:
    since = "" if one.start is None else f" from {one.start}"
    return f"{plain(one.package)}{since} before {one.end}"
