"""A batch of reports: what becomes of each, and what is to be written. Pure.

The store fetches what it knows, lets this decide, and writes what came out, in one transaction.
Most reports say what was said an hour ago, and then there is next to nothing to write.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from agent.report import KeyReport, Report
from server.facts import NewFact
from server.fleet.absorbing import Change, KnownKey, absorb, as_report, key_id_of, said_again
from server.fleet.health import JUDGING, Judging, Level
from server.fleet.hosts import Host
from server.fleet.receipt import Receipt, progress, receive

MAX_KEYS_OF_HOST = 10_000
"""Whoever has one laptop cannot fill the store with keys that he makes up."""


class Standing(NamedTuple):
    """How a key stands, without its facts.

    digest: of the newest report of it, by host_id, b"" when its facts were changed otherwise since;
    judged: the day of its health; changes: how many were noted; said: the day of that report;
    whole: whether the same on a later day changes nothing but days (`KnownKey.is_whole`).
    """

    digest: bytes
    host_id: str
    judged: date
    last_seen: date
    changes: int
    said: date = date.min
    whole: bool = False

    def is_news(self, digest: bytes, host_id: str, day: date) -> bool:
        """Tell whether a report from a day has to be looked at, fact by fact.

        What the newest word said already is none, on whatever day, where that word was all that
        counted: days are written by themselves then.
        """
        is_other = (digest, host_id) != (self.digest, self.host_id)
        return is_other or (day > self.said and not self.whole)


class ChangedKey(NamedTuple):
    """A key to be written anew: all that is known of it, and its health.

    due: the day on which that may be another one, with the same facts, None: none. rulebook: by
    which it was judged, "" when advisories have to be asked about it anew.
    """

    key: KnownKey
    standing: Standing
    worst: Level | None
    rules: tuple[str, ...]
    due: date | None
    rulebook: str = ""


class NewChange(NamedTuple):
    """A change to be noted under the next number of its key."""

    key_id: str
    number: int
    host_id: str
    change: Change


class Seen(NamedTuple):
    """That a host saw a key, from this day to that one."""

    first: date
    last: date
    attached: bool | None


class Intake:
    """One batch. standings, keys: what is known of the keys that are reported.

    brought: how many keys a host saw, of those hosts that report one which they did not see
    before; sighted: which of the keys that are reported were seen by whom, None: those that are
    known, by all; forgotten: of keys that were erased, until which day they were seen is not heard.

    keys holds those of which a report has news (`Standing.is_news`), and perhaps others. After
    the last `take`: reported has the newest report of each host that had one taken, clashed the
    hosts with one that clashed; later has the keys of which nothing is new but days.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        standings: Mapping[str, Standing],
        keys: Mapping[str, KnownKey],
        today: date,
        brought: Mapping[str, int] | None = None,
        *,
        sighted: Collection[tuple[str, str]] | None = None,
        forgotten: Mapping[str, date] | None = None,
        judging: Judging = JUDGING,
    ) -> None:
        self.hosts = dict(hosts)
        self.reported: dict[str, Report] = {}
        self.clashed: set[str] = set()
        self.changed: dict[str, ChangedKey] = {}
        self.changes: list[NewChange] = []
        self.seen: dict[tuple[str, str], Seen] = {}
        self.later: dict[str, Standing] = {}
        self.told: list[NewFact] = []
        self._standings = dict(standings)
        self._keys = dict(keys)
        self._today = today
        self._brought = Counter(brought)
        self._sighted = None if sighted is None else set(sighted)
        self._forgotten = forgotten or {}
        self._judging = judging

    def ids_of(self, report: Report) -> tuple[str, ...]:
        """Return the ids of a report's keys, in their order."""
        return tuple(key_id_of(key.identity, report.host) for key in report.keys)

    def is_repeat(self, report: Report, digests: Sequence[bytes]) -> bool:
        """Tell whether a report has no news: `take` notes days and its host's progress at most.

        digests: `digests_of` it.
        """
        receipt = receive(self.hosts.get(report.host), report)
        if receipt is not Receipt.NEW:
            return receipt is not Receipt.CLASH
        return all(
            standing is not None
            and not standing.is_news(digest, report.host, day_of_word(key, report, self._today))
            for key, digest in zip(report.keys, digests, strict=True)
            for standing in (self._standings.get(key_id_of(key.identity, report.host)),)
        )

    def take(self, report: Report, digests: Sequence[bytes] | None = None) -> Receipt:
        """Decide on one report, and note what it changes. digests: `digests_of` it."""
        host = self.hosts.get(report.host)
        receipt = receive(host, report)
        if host is None:
            return receipt
        if receipt is Receipt.NEW and not self._has_room(report):
            return Receipt.FULL
        if receipt is Receipt.CLASH:
            self.hosts[report.host] = host._replace(clashes=host.clashes + 1)
            self.clashed.add(report.host)
            if _is_power_of_two(host.clashes + 1):  # one that clashes all day fills no outbox
                clash = NewFact("fleet.host-clash", report.host, {"sequence": report.sequence})
                self.told.append(clash)
        if receipt is Receipt.NEW:
            dropped, missing = progress(host, report)
            self.hosts[report.host] = host._replace(
                system=report.system,
                release=report.release,
                agent=report.agent,
                software=dict(report.software),
                sequence=report.sequence,
                report_id=report.report_id,
                dropped=dropped,
                missing=host.missing + missing,
            )
            self.reported[report.host] = report
            for key, digest in zip(report.keys, digests or digests_of(report), strict=True):
                self._take_key(key, report, digest)
        return receipt

    def _has_room(self, report: Report) -> bool:
        # Also of keys that others brought: who says of all keys that they are well is a liar.
        fresh = unknown_keys(report, self._standings)
        if self._sighted is not None:
            fresh = unsighted_keys(report, self._sighted)
        if fresh and self._brought[report.host] + len(fresh) > MAX_KEYS_OF_HOST:
            return False
        self._brought[report.host] += len(fresh)
        if self._sighted is not None:
            self._sighted.update((key_id, report.host) for key_id in fresh)
        return True

    def _take_key(self, key: KeyReport, report: Report, digest: bytes) -> None:
        key_id = key_id_of(key.identity, report.host)
        seen = min(key.last_seen, self._today)
        if seen <= self._forgotten.get(key_id, date.min):
            return
        before = self.seen.get((key_id, report.host), Seen(seen, seen, None))
        span = Seen(min(before.first, seen), max(before.last, seen), key.attached)
        self.seen[key_id, report.host] = span
        standing, day = self._standings.get(key_id), day_of_word(key, report, self._today)
        if standing is not None and not standing.is_news(digest, report.host, day):
            self._take_again(key_id, standing, day, seen)
            return
        known = self._keys.get(key_id)
        absorbed = absorb(known, key, report.host, report.day, today=self._today)
        number = 0 if standing is None else standing.changes
        for change in absorbed.changes:
            number += 1
            self.changes.append(NewChange(key_id, number, report.host, change))
        if known is None:
            self.told.append(NewFact("fleet.key-first-seen", key_id, {"host": report.host}))
        if absorbed.altered:
            self._note_altered(report.host, key_id, absorbed.altered)
        disputed = absorbed.key.disputed
        if disputed and (known is None or disputed != known.disputed):
            said = {"facts": " ".join(disputed), "host": report.host}
            self.told.append(NewFact("fleet.key-disputed", key_id, said))
        self._keys[key_id] = absorbed.key
        now = Standing(digest, report.host, self._today, absorbed.key.last_seen, number)
        now = now._replace(said=absorbed.key.said, whole=absorbed.key.is_whole)
        self._standings[key_id] = now
        word = as_report(absorbed.key)
        health = self._judging.judge(word, self._today)
        due = self._judging.next_turn(word, self._today)
        rules = sorted({fault.rule.name for fault in health.faults})
        # What advisories say of it is looked at by a job: a report has no time for that.
        is_another = known is None or bool(absorbed.changes)
        earlier = self.changed.get(key_id)
        stamp = "" if is_another or (earlier and not earlier.rulebook) else self._judging.stamp
        self.changed[key_id] = ChangedKey(absorbed.key, now, health.worst, tuple(rules), due, stamp)
        self.later.pop(key_id, None)

    def _take_again(self, key_id: str, standing: Standing, day: date, seen: date) -> None:
        """Note that the newest word on a key came again."""
        said, last_seen = max(standing.said, day), max(standing.last_seen, seen)
        if (said, last_seen) == (standing.said, standing.last_seen):
            return
        # Seen later, but by a report from an earlier day: what comes next is to be looked at.
        whole = standing.whole and said == last_seen
        now = standing._replace(said=said, last_seen=last_seen, whole=whole)
        self._standings[key_id] = now
        if key_id in self._keys:
            self._keys[key_id] = said_again(self._keys[key_id], day, seen)
        if key_id in self.changed:
            changed = self.changed[key_id]
            self.changed[key_id] = changed._replace(key=self._keys[key_id], standing=now)
        else:
            self.later[key_id] = now

    def _note_altered(self, host_id: str, key_id: str, names: tuple[str, ...]) -> None:
        host = self.hosts[host_id]
        self.hosts[host_id] = host._replace(altered=host.altered + 1)
        self.told.append(altered_fact(host_id, key_id, names))


def altered_fact(host_id: str, key_id: str, names: Sequence[str]) -> NewFact:
    """Return what is told of a host that contradicts what a key proved of itself."""
    return NewFact("fleet.host-altered", host_id, {"key": key_id, "facts": " ".join(names)})


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def unsighted_keys(report: Report, sighted: Collection[tuple[str, str]]) -> frozenset[str]:
    """Return the keys of a report that its host has not seen before."""
    named = {key_id_of(key.identity, report.host) for key in report.keys}
    return frozenset(key_id for key_id in named if (key_id, report.host) not in sighted)


def unknown_keys(report: Report, standings: Mapping[str, Standing]) -> frozenset[str]:
    """Return the keys of a report of which nothing is known."""
    named = {key_id_of(key.identity, report.host) for key in report.keys}
    return frozenset(named - standings.keys())


def day_of_word(key: KeyReport, report: Report, today: date) -> date:
    """Return from which day a report's word on a key is: nothing was seen later than today."""
    return min(report.day, key.last_seen, today)


def digests_of(report: Report) -> tuple[bytes, ...]:
    """Return the digests of a report's keys, in their order."""
    return tuple(digest_of(key) for key in report.keys)


def digest_of(key: KeyReport) -> bytes:
    """Return what is the same for two reports that say the same of a key, on whatever day."""
    said = [key.identity.serial, dict(key.facts), dict(key.unreadable)]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def news(
    reports: Sequence[Report], standings: Mapping[str, Standing], today: date
) -> frozenset[str]:
    """Return the known keys of which a report has to be looked at.

    Those of several words are among them: the first may change how the key stands for the next.
    """
    words = Counter(
        key_id_of(key.identity, report.host) for report in reports for key in report.keys
    )
    return frozenset(
        key_id
        for report in reports
        for key in report.keys
        if (standing := standings.get(key_id := key_id_of(key.identity, report.host))) is not None
        and (
            words[key_id] > 1
            or standing.is_news(digest_of(key), report.host, day_of_word(key, report, today))
        )
    )
