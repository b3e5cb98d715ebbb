"""The operator's desk for the fleet: tokens for hosts, what is known, and what advisories say."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from server.accounts.text import InputError
from server.clock import Clock
from server.fleet.absorbing import as_report
from server.fleet.advisory import Advisory
from server.fleet.counting import Counter, Counts
from server.fleet.enrolment import TOKEN_OCTETS, Token, digest_of
from server.fleet.exposure import Affected, Exposure, judge
from server.fleet.host_name import HostNameError, checked
from server.fleet.hosts import Host
from server.fleet.observed import key_facts
from server.fleet.ports import (
    FleetBook,
    FleetKey,
    NotedChange,
    Search,
    UnknownFleetKeyError,
    UnknownHostError,
)
from server.fleet.rulebook import Rulebook, Verdict
from server.fleet.shelf import Shelf, UnknownAdvisoryError
from server.journal.acts import Cause

MAX_PAGE = 1000
DAY_US = 86_400_000_000
MAX_TOKEN_DAYS = 90
_PREFIX = "kst_host_"


class HitKey(NamedTuple):
    """A key with what an advisory means for it."""

    known: FleetKey
    exposure: Exposure


class FleetDesk:
    """What an operator may do with the fleet. Store errors pass through.

    shelf: has the advisories and rules that keys are judged by.
    """

    def __init__(self, book: FleetBook, shelf: Shelf, *, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._counter = Counter(book, clock)
        self._shelf = shelf

    @property
    def advisories(self) -> Sequence[Advisory]:
        """Return all advisories on firmware, oldest first."""
        return self._shelf.file.advisories

    @property
    def rulebook(self) -> Rulebook:
        """Return what keys are judged by today."""
        return self._shelf.rulebook(self.today())

    async def create_token(
        self, name: str, *, days: int, replaces: bool, cause: Cause
    ) -> tuple[str, Token]:
        """Make a token that lets a host of this name in, once. InputError, HostEnrolledError."""
        try:
            name = checked(name)
        except HostNameError as error:
            raise InputError(str(error)) from None
        if not 1 <= days <= MAX_TOKEN_DAYS:
            raise InputError(f"a token is good for 1 to {MAX_TOKEN_DAYS} days")
        text = _PREFIX + secrets.token_urlsafe(TOKEN_OCTETS)
        token = await self._book.add_enrolment_token(
            name,
            digest_of(text),
            lifetime_us=days * DAY_US,
            replaces=replaces,
            act=cause.act("fleet-token.create"),
        )
        return text, token

    async def hosts(self, after: str, limit: int) -> Sequence[Host]:
        """Return hosts with an id beyond `after`."""
        return await self._book.list_hosts(after, max(1, min(limit, MAX_PAGE)))

    async def erase(self, host_id: str, *, cause: Cause) -> Host:
        """Forget a host for good, and keys that nobody else saw. UnknownHostError."""
        host = await self._book.erase_host(host_id, act=cause.act("host.erase"))
        if host is None:
            raise UnknownHostError(host_id)
        return host

    async def keys(self, search: Search, after: str, limit: int) -> Sequence[FleetKey]:
        """Return keys that are looked for, with an id beyond `after`."""
        return await self._book.fleet_keys(search, after, max(1, min(limit, MAX_PAGE)))

    async def key(self, key_id: str) -> FleetKey:
        """Return a key. UnknownFleetKeyError."""
        found = await self._book.fleet_key(key_id)
        if found is None:
            raise UnknownFleetKeyError(key_id)
        return found

    async def changes(self, key_id: str, before: int, limit: int) -> Sequence[NotedChange]:
        """Return changes of a key, newest first."""
        return await self._book.key_changes(key_id, before, max(1, min(limit, MAX_PAGE)))

    async def counts(self) -> Counts:
        """Return how many there are, as of some seconds ago. The store's errors pass."""
        return await self._counter.counts()

    def verdict(self, known: FleetKey) -> Verdict:
        """Return what is wrong with a key today, and the stages of its life that concern it."""
        said = as_report(known.key)
        facts = {**said.facts, **known.custody.facts()}
        return self.rulebook.verdict(said._replace(facts=facts), self.today())

    def today(self) -> date:
        """Return the day (UTC)."""
        return datetime.fromtimestamp(self._clock.now_us() // 1_000_000, UTC).date()

    def advisory(self, advisory_id: str) -> Advisory:
        """Return an advisory. UnknownAdvisoryError."""
        for found in self.advisories:
            if found.advisory_id == advisory_id:
                return found
        raise UnknownAdvisoryError(advisory_id)

    def exposure(self, known: FleetKey, advisory: Advisory) -> Exposure:
        """Return what an advisory means for a key."""
        return judge(advisory, key_facts(as_report(known.key)))

    async def affected(
        self, advisory: Advisory, after: str, limit: int
    ) -> tuple[Sequence[HitKey], str | None]:
        """Look at up to `limit` keys beyond `after`; return those that are not clear, and the last.

        None: there are no more keys.
        """
        limit = max(1, min(limit, MAX_PAGE))
        page = await self._book.fleet_keys(Search(), after, limit)
        hit = []
        for known in page:
            hit.append(HitKey(known, self.exposure(known, advisory)))
            await asyncio.sleep(0)  # others wait for this loop, too
        last = page[-1].key.key_id if len(page) == limit else None
        return [one for one in hit if one.exposure.affected is not Affected.NO], last
