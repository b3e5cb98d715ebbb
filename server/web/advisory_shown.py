"""Advisories, decisions and rules as the admin API shows them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from server.fleet.advisory import Advisory
from server.fleet.advisory_desk import HitHost
from server.fleet.criterion import SECTION, Decision
from server.fleet.desk import HitKey
from server.fleet.exposure import Affected, Exposed
from server.fleet.health import Level
from server.fleet.host_software import Concern
from server.fleet.software import SoftwareAdvisory
from server.web.admin_request import moment
from server.web.json_types import Moment, Shown


class DecisionShown(Shown):
    """A decision that an advisory is critical, or is not any more: by whom, when and why.

    edition: of the advisories that were known then; criterion: by which words it was decided.
    """

    number: int
    advisory: str
    critical: bool
    edition: int
    time: Moment
    by: str
    reason: str
    section: str
    criterion: str


class DecisionsShown(Shown):
    """All decisions, oldest first."""

    decisions: list[DecisionShown]


class PackageShown(Shown):
    """Releases of a package that an advisory is about. systems: null for all."""

    package: str
    since: str | None
    below: str
    systems: list[str] | None
    note: str


class AdvisoryShown(Shown):
    """An advisory. on: what it is about; critical: what its author thinks.

    decision: that it is critical, made here, null without one; packages: of software.
    """

    id: str
    on: Literal["keys", "software"]
    cve: str | None
    title: str
    condition: str
    critical: bool
    decision: DecisionShown | None
    source: str
    note: str
    packages: list[PackageShown]


class FileShown(Shown):
    """A file of advisories that was loaded. key: the id of the key that signed it.

    problem: why it does not stand though it is newer, "" otherwise.
    """

    number: int
    edition: int
    key: str
    loaded: Moment
    by: str
    problem: str


class StandingShown(Shown):
    """The file that stands. issued: the day it was made; waiting: keys to be judged by it yet.

    key: the id of the key that signed it, null for what came with the program; trusted: ids of the
    keys under which files are believed; files: all that were loaded.
    """

    edition: int
    issued: str
    key: str | None
    loaded: Moment | None
    by: str | None
    waiting: int
    trusted: list[str]
    files: list[FileShown]


class AdvisoriesShown(Shown):
    """All advisories that are known here, and the edition of the file that they are from."""

    edition: int
    issued: str
    key: str | None
    advisories: list[AdvisoryShown]


class HitShown(Shown):
    """A key that an advisory hits, or may hit. lines: the products that it can be.

    disputed: facts that hosts contradict each other about, which count as not known.
    """

    id: str
    serial: int | None
    firmware: str | None
    lines: list[str]
    affected: Affected
    exposed: Exposed
    hosts: list[str]
    disputed: list[str]


class HitsShown(Shown):
    """Keys that are not clear of an advisory. next: `after` of the page behind it, or null."""

    advisory: AdvisoryShown
    keys: list[HitShown]
    next: str | None


class PackageHitShown(Shown):
    """What is installed on a host. affected: unknown when its number cannot be compared.

    mended: the release in which its maker mended it; distributions mend under older numbers.
    """

    package: str
    version: str
    affected: Concern
    mended: str


class HitHostShown(Shown):
    """A host with software that an advisory is about, or may be."""

    id: str
    name: str
    system: str
    packages: list[PackageHitShown]


class HitHostsShown(Shown):
    """Hosts that an advisory on software hits. next: `after` of the page behind it, or null."""

    advisory: AdvisoryShown
    hosts: list[HitHostShown]
    next: str | None


class RuleShown(Shown):
    """A rule of health. on: what it judges; facts: what it looks at; level: null: switched off."""

    name: str
    on: Literal["keys", "hosts"]
    level: Level | None
    title: str
    facts: str
    own: bool


class RulesShown(Shown):
    """The rules of health that are in force, and those that are switched off."""

    rules: list[RuleShown]


def decision_shown(one: Decision) -> DecisionShown:
    """Show a decision."""
    return DecisionShown(
        number=one.number,
        advisory=one.advisory_id,
        critical=one.critical,
        edition=one.edition,
        time=moment(one.at_us),
        by=one.by,
        reason=one.reason,
        section=SECTION,
        criterion=one.criterion,
    )


def advisory_shown(one: Advisory, decisions: Mapping[str, Decision]) -> AdvisoryShown:
    """Show an advisory on keys. decisions: those in force."""
    decision = decisions.get(one.advisory_id)
    return AdvisoryShown(
        id=one.advisory_id,
        on="keys",
        cve=one.cve,
        title=one.title,
        condition=one.explained,
        critical=one.critical,
        decision=None if decision is None else decision_shown(decision),
        source=one.source,
        note=one.note,
        packages=[],
    )


def software_shown(advisories: Sequence[SoftwareAdvisory]) -> AdvisoryShown:
    """Show what one advisory says of packages."""
    first = advisories[0]
    ranges = [
        f"{one.package} {'' if one.start is None else f'from {one.start} '}below {one.end}"
        for one in advisories
    ]
    return AdvisoryShown(
        id=first.advisory_id,
        on="software",
        cve=first.cve,
        title=", ".join(dict.fromkeys(ranges)),
        condition="such a release is installed",
        critical=False,
        decision=None,
        source="",
        note="",
        packages=[
            PackageShown(
                package=one.package,
                since=None if one.start is None else str(one.start),
                below=str(one.end),
                systems=None if one.systems is None else sorted(one.systems),
                note=one.note,
            )
            for one in advisories
        ],
    )


def hit_shown(one: HitKey) -> HitShown:
    """Show a key with what an advisory means for it."""
    key = one.known.key
    return HitShown(
        id=key.key_id,
        serial=key.serial,
        firmware=key.firmware,
        lines=sorted(line.value for line in one.exposure.lines),
        affected=one.exposure.affected,
        exposed=one.exposure.exposed,
        hosts=[seen.host_name for seen in one.known.sightings],
        disputed=list(key.disputed),
    )


def hit_host_shown(one: HitHost) -> HitHostShown:
    """Show a host with what an advisory says of its software."""
    return HitHostShown(
        id=one.host.host_id,
        name=one.host.name,
        system=one.host.system,
        packages=[
            PackageHitShown(
                package=hit.package,
                version=hit.version,
                affected=hit.concern,
                mended=str(hit.mended),
            )
            for hit in one.hits
        ],
    )
