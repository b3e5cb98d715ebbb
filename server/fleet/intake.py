"""A batch of reports: what becomes of each, and what is to be written. Pure.

The store fetches what it knows, lets this decide, and writes what came out, in one transaction.
Most reports say what was said an hour ago, and then there is next to nothing to write.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from agent.report import KeyReport, Report
from server.facts import NewFact
from server.fleet.absorbing import Change, KnownKey, absorb, as_report, key_id_of
from server.fleet.health import JUDGING, Judging, Level
from server.fleet.hosts import Host
from server.fleet.receipt import Receipt, progress, receive

MAX_KEYS_OF_HOST = 10_000
"""Whoever has one laptop cannot fill the store with keys that he makes up."""


class Standing(NamedTuple):
    """How a key stands, without its facts.

    digest: of the newest report of it, by host_id; judged: the day of its health; changes: how
    many were noted.
    """

    digest: bytes
    host_id: str
    judged: date
    last_seen: date
    changes: int

    def is_news(self, digest: bytes, host_id: str, today: date) -> bool:
        """Tell whether a report has to be looked at: the newest word was another, or is old."""
        return (digest, host_id, today) != (self.digest, self.host_id, self.judged)


class ChangedKey(NamedTuple):
    """A key to be written anew: all that is known of it, and its health.

    rulebook: by which it was judged, "" when advisories have to be asked about it anew.
    """

    key: KnownKey
    standing: Standing
    worst: Level | None
    rules: tuple[str, ...]
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

    brought: how many keys a host saw, of those hosts that report a key which is not known.

    keys holds those of which a report has news (`Standing.is_news`), and perhaps others. After
    the last `take`: reported has the newest report of each host that had one taken, clashed the
    hosts with one that clashed; later has the days of keys of which nothing else is new.
    """

    def __init__(
        self,
        hosts: Mapping[str, Host],
        standings: Mapping[str, Standing],
        keys: Mapping[str, KnownKey],
        today: date,
        brought: Mapping[str, int] | None = None,
        *,
        judging: Judging = JUDGING,
    ) -> None:
        self.hosts = dict(hosts)
        self.reported: dict[str, Report] = {}
        self.clashed: set[str] = set()
        self.changed: dict[str, ChangedKey] = {}
        self.changes: list[NewChange] = []
        self.seen: dict[tuple[str, str], Seen] = {}
        self.later: dict[str, date] = {}
        self.told: list[NewFact] = []
        self._standings = dict(standings)
        self._keys = dict(keys)
        self._today = today
        self._brought = Counter(brought)
        self._judging = judging

    def take(self, report: Report) -> Receipt:
        """Decide on one report, and note what it changes."""
        host = self.hosts.get(report.host)
        receipt = receive(host, report)
        if host is None:
            return receipt
        if receipt is Receipt.NEW and not self._has_room(report):
            return Receipt.FULL
        if receipt is Receipt.CLASH:
            self.hosts[report.host] = host._replace(clashes=host.clashes + 1)
            self.clashed.add(report.host)
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
            for key in report.keys:
                self._take_key(key, report)
        return receipt

    def _has_room(self, report: Report) -> bool:
        unknown = unknown_keys(report, self._standings)
        if unknown and self._brought[report.host] + len(unknown) > MAX_KEYS_OF_HOST:
            return False
        self._brought[report.host] += len(unknown)
        return True

    def _take_key(self, key: KeyReport, report: Report) -> None:
        key_id = key_id_of(key.identity, report.host)
        day = min(key.last_seen, self._today)
        before = self.seen.get((key_id, report.host), Seen(day, day, None))
        span = Seen(min(before.first, day), max(before.last, day), key.attached)
        self.seen[key_id, report.host] = span
        standing, digest = self._standings.get(key_id), digest_of(key)
        if standing is not None and not standing.is_news(digest, report.host, self._today):
            if day > standing.last_seen:
                self._standings[key_id] = standing._replace(last_seen=day)
                self.later[key_id] = day
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
        last_seen = absorbed.key.last_seen
        if standing is not None:  # which a report before this one may have moved on
            last_seen = max(last_seen, standing.last_seen)
        absorbed = absorbed._replace(key=absorbed.key._replace(last_seen=last_seen))
        self._keys[key_id] = absorbed.key
        now = Standing(digest, report.host, self._today, last_seen, number)
        self._standings[key_id] = now
        health = self._judging.judge(as_report(absorbed.key), self._today)
        rules = sorted({fault.rule.name for fault in health.faults})
        # What advisories say of it is looked at by a job: a report has no time for that.
        is_another = known is None or bool(absorbed.changes)
        earlier = self.changed.get(key_id)
        stamp = "" if is_another or (earlier and not earlier.rulebook) else self._judging.stamp
        self.changed[key_id] = ChangedKey(absorbed.key, now, health.worst, tuple(rules), stamp)

    def _note_altered(self, host_id: str, key_id: str, names: tuple[str, ...]) -> None:
        host = self.hosts[host_id]
        self.hosts[host_id] = host._replace(altered=host.altered + 1)
        self.told.append(altered_fact(host_id, key_id, names))


def altered_fact(host_id: str, key_id: str, names: Sequence[str]) -> NewFact:
    """Return what is told of a host that contradicts what a key proved of itself."""
    return NewFact("fleet.host-altered", host_id, {"key": key_id, "facts": " ".join(names)})


def unknown_keys(report: Report, standings: Mapping[str, Standing]) -> frozenset[str]:
    """Return the keys of a report of which nothing is known."""
    named = {key_id_of(key.identity, report.host) for key in report.keys}
    return frozenset(named - standings.keys())


def digest_of(key: KeyReport) -> bytes:
    """Return what is the same for two reports that say the same of a key, on whatever day."""
    said = [key.identity.serial, dict(key.facts), dict(key.unreadable)]
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def news(
    reports: Iterable[Report], standings: Mapping[str, Standing], today: date
) -> frozenset[str]:
    """Return the known keys of which a report has to be looked at."""
    return frozenset(
        key_id
        for report in reports
        for key in report.keys
        if (standing := standings.get(key_id := key_id_of(key.identity, report.host))) is not None
        and standing.is_news(digest_of(key), report.host, today)
    )
