"""The operator's desk for advisories: files are loaded, software is looked at, people decide."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from server.accounts.text import InputError
from server.fleet.advisory_file import AdvisoryFile
from server.fleet.advisory_ports import AdvisoryBook, LoadedFile
from server.fleet.criterion import CRITERION, Decision, in_force
from server.fleet.health import RULES, Level
from server.fleet.host_software import (
    NOT_CURRENT,
    NOT_CURRENT_LEVEL,
    NOT_CURRENT_TITLE,
    Behind,
    SoftwareHit,
    behind,
    software_hits,
)
from server.fleet.hosts import Host
from server.fleet.lifecycle import LEVELS
from server.fleet.ports import FleetBook
from server.fleet.shelf import PassedOver, Shelf, Standing, UnknownAdvisoryError
from server.fleet.software import SoftwareAdvisory
from server.journal.acts import Cause

MAX_PAGE = 1000
HOST_RULES = frozenset({NOT_CURRENT})
"""Rules of hosts, by which they can be looked for."""


class NotHardwareError(Exception):
    """The advisory is about software alone."""

    def __init__(self, advisory_id: str) -> None:
        super().__init__(
            f"{advisory_id} is about software, and no hardware is replaced for that: install the"
            " release in which it is mended"
        )


class DecidedError(Exception):
    """The decision that somebody asks for stands already."""

    def __init__(self, advisory_id: str, *, critical: bool) -> None:
        what = "is decided to be critical" if critical else "is not decided to be critical"
        super().__init__(f"{advisory_id} {what} as it is: see `keystead fleet decisions`")


class HostFault(NamedTuple):
    """What a rule found at a host. behind: the program that it is about."""

    rule: str
    level: Level
    title: str
    behind: Behind


class ShownRule(NamedTuple):
    """A rule of health for people. level: None when it is switched off; own: the organisation's."""

    name: str
    on: Literal["keys", "hosts"]
    level: Level | None
    title: str
    facts: str
    own: bool = False


class HitHost(NamedTuple):
    """A host with what a software advisory says of its packages."""

    host: Host
    hits: tuple[SoftwareHit, ...]


class AdvisoryDesk:
    """What an operator may do with advisories. Store errors pass through."""

    def __init__(self, book: AdvisoryBook, hosts: FleetBook, shelf: Shelf) -> None:
        self._book = book
        self._hosts = hosts
        self._shelf = shelf

    @property
    def file(self) -> AdvisoryFile:
        """Return what the file that stands says."""
        return self._shelf.file

    @property
    def standing(self) -> Standing:
        """Return the file that stands."""
        return self._shelf.standing

    @property
    def loaded(self) -> Sequence[LoadedFile]:
        """Return all files that were loaded, oldest first."""
        return self._shelf.files

    @property
    def passed_over(self) -> Sequence[PassedOver]:
        """Return newer editions that do not stand, and why."""
        return self._shelf.passed_over

    @property
    def trusted(self) -> Sequence[bytes]:
        """Return the ids of the keys under which files are believed."""
        return self._shelf.trusted

    async def load(self, text: bytes, *, cause: Cause) -> Standing:
        """Let a signed file stand. What `Shelf.load` raises passes through."""
        return await self._shelf.load(text, self._book, cause=cause)

    async def refresh(self) -> None:
        """Look whether another process loaded a file."""
        await self._shelf.refresh(self._book)

    async def left_to_judge(self, stamp: str) -> int:
        """Return how many keys are not judged by this rulebook yet."""
        return await self._book.count_judged_otherwise(stamp)

    def on_software(self, advisory_id: str) -> Sequence[SoftwareAdvisory]:
        """Return what an advisory says of software; nothing when it is not about any."""
        return [one for one in self.file.software if one.advisory_id == advisory_id]

    def advisories_on_software(self) -> Sequence[Sequence[SoftwareAdvisory]]:
        """Return what each advisory on software says, in the file's order."""
        names = dict.fromkeys(one.advisory_id for one in self.file.software)
        return [self.on_software(name) for name in names]

    async def hit_hosts(
        self, advisory_id: str, after: str, limit: int
    ) -> tuple[Sequence[HitHost], str | None]:
        """Look at up to `limit` hosts beyond `after`; return those with software that is hit.

        With the last host that was looked at, None when there are no more. UnknownAdvisoryError.
        """
        advisories = self.on_software(advisory_id)
        if not advisories and not self._is_on_keys(advisory_id):
            raise UnknownAdvisoryError(advisory_id)
        page, last = await self._page(after, limit)
        found = [
            HitHost(host, software_hits(host.software, host.system, advisories)) for host in page
        ]
        return [one for one in found if one.hits], last

    def faults(self, host: Host) -> Sequence[HostFault]:
        """Return what is wrong with a host's software."""
        level = self._shelf.own.level_of(NOT_CURRENT, NOT_CURRENT_LEVEL)
        if level is None:
            return ()
        return [
            HostFault(NOT_CURRENT, level, NOT_CURRENT_TITLE, one)
            for one in behind(host.software, self.file.releases)
        ]

    async def hosts(
        self, rule: str | None, after: str, limit: int
    ) -> tuple[Sequence[Host], str | None]:
        """Look at up to `limit` hosts beyond `after`; return those in which a rule found a fault.

        rule: None for all hosts; with the last one that was looked at, None at the end. InputError.
        """
        if rule is not None and rule not in HOST_RULES:
            raise InputError(f"hosts are looked for by the rule {', '.join(sorted(HOST_RULES))}")
        page, last = await self._page(after, limit)
        return [one for one in page if rule is None or self.faults(one)], last

    def rules(self) -> Sequence[ShownRule]:
        """Return all rules of health, also those that are switched off."""
        own = self._shelf.own
        names = {rule.name for rule in own.own}
        in_force = own.apply()
        off = {rule.name for rule in RULES} - {rule.name for rule in in_force}
        found = [
            ShownRule(rule.name, "keys", rule.level, rule.title, rule.facts, rule.name in names)
            for rule in in_force
        ]
        found += [
            ShownRule(rule.name, "keys", None, rule.title, rule.facts)
            for rule in RULES
            if rule.name in off
        ]
        for entry in self.file.lifecycle:
            ships = LEVELS[entry.stage]
            level = None if ships is None else own.level_of(entry.stage.value, ships)
            versions = ".".join(map(str, entry.firmware)) or "any firmware"
            where = f"{entry.line.value} {versions} from {entry.day}"
            found.append(ShownRule(entry.stage.value, "keys", level, entry.text, where))
        level = own.level_of(NOT_CURRENT, NOT_CURRENT_LEVEL)
        found.append(ShownRule(NOT_CURRENT, "hosts", level, NOT_CURRENT_TITLE, "software"))
        return found

    async def _page(self, after: str, limit: int) -> tuple[Sequence[Host], str | None]:
        limit = max(1, min(limit, MAX_PAGE))
        page = await self._hosts.list_hosts(after, limit)
        return page, page[-1].host_id if len(page) == limit else None

    async def decisions(self) -> Sequence[Decision]:
        """Return all decisions, oldest first."""
        return await self._book.decisions()

    async def decide(self, advisory_id: str, *, critical: bool, cause: Cause) -> Decision:
        """Decide that an advisory on hardware is critical, or is not any more.

        UnknownAdvisoryError, NotHardwareError, DecidedError; OvertakenError when somebody else
        does it at the same time.
        """
        if critical and not self._is_on_keys(advisory_id):
            if self.on_software(advisory_id):
                raise NotHardwareError(advisory_id)
            raise UnknownAdvisoryError(advisory_id)
        standing = in_force(await self._book.decisions())
        if (advisory_id in standing) is critical:
            if not critical and not self._is_on_keys(advisory_id):
                raise UnknownAdvisoryError(advisory_id)
            raise DecidedError(advisory_id, critical=critical)
        verb = "critical" if critical else "not-critical"
        return await self._book.add_decision(
            advisory_id,
            critical=critical,
            edition=self.file.edition,
            criterion=CRITERION,
            act=cause.act(f"advisory.{verb}"),
        )

    def _is_on_keys(self, advisory_id: str) -> bool:
        return any(one.advisory_id == advisory_id for one in self.file.advisories)
