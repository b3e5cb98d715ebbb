"""What a report changes in what is known of a key: pure, from what is known to what is new.

A fact that could not be read this time keeps its last value and the day of it: another program that
holds the key makes nobody forget what is known. What was read later replaces it. A host repeats for
weeks what it read of a key that is elsewhere now: that is older than what the other host read.

What no key can change is *disputed* when hosts differ (`claims`): neither word replaces the other.
What a key proved of itself (`proving`) no report replaces: what no key can change for good, and the
rest on the day of the proof, for nobody knows which of the two came first.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from agent.report import Identity, KeyReport, Value
from server.fleet.claims import ALTERED, DISPUTED, FIXED, KnownFact, contend, withdrawn
from server.fleet.trust import Trust

MAX_FACTS_KEPT = 600
"""Of one key. Reports hold at most 400; a key that named new facts for ever would grow."""


OWN = "keystead."
"""What facts of ours are named; a report that names one so is not listened to."""


class KnownKey(NamedTuple):
    """All that is known of a key. unreadable: reasons of its newest report, by fact or group.

    said: the day of the newest word on it; repeats: facts that are of that word. When it comes
    again on a later day, theirs is that day (`said_again`).
    """

    key_id: str
    serial: int | None
    facts: Mapping[str, KnownFact]
    unreadable: Mapping[str, str]
    first_seen: date
    last_seen: date
    said: date = date.min
    repeats: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Tell whether its newest word, come again on a later day, changes nothing but days.

        It does more where another host saw the key after it, where the key proved what that word
        outlives, and where words contradict each other.
        """
        return self.said == self.last_seen and not any(
            fact.others if name in FIXED else fact.trust > Trust.HOST_SIGNED
            for name, fact in self.facts.items()
        )

    @property
    def disputed(self) -> tuple[str, ...]:
        """Return the facts of which hosts say what cannot both be."""
        return tuple(sorted(name for name, fact in self.facts.items() if fact.is_disputed))

    @property
    def altered(self) -> tuple[str, ...]:
        """Return the facts that it proved, and of which a host says otherwise."""
        return tuple(sorted(name for name, fact in self.facts.items() if fact.altered_by))

    @property
    def firmware(self) -> str | None:
        """Return its firmware as it is reported."""
        fact = self.facts.get("device.firmware")
        return fact.value if fact is not None and isinstance(fact.value, str) else None


class Change(NamedTuple):
    """A fact that is another one now. None: it was not known, or the key has it no more."""

    fact: str
    before: Value | None
    after: Value | None


class Absorbed(NamedTuple):
    """What to keep, and what of it is new.

    altered: facts that the key proved and of which this report, as none before, says otherwise.
    """

    key: KnownKey
    changes: tuple[Change, ...]
    altered: tuple[str, ...] = ()


def key_id_of(identity: Identity, host_id: str) -> str:
    """Name a key: by its serial number, by the hash of it, or as one that a host alone has."""
    if identity.serial is not None:
        return f"serial:{identity.serial}"
    if identity.serial_hash is not None:
        return f"hash:{identity.serial_hash}"
    return f"kind:{host_id}:{identity.kind}"


def absorb(
    known: KnownKey | None, report: KeyReport, host_id: str, day: date, *, today: date
) -> Absorbed:
    """Return what is known after a report.

    day: of the report, as its host has it; today: as the store has it. A host whose clock is ahead
    saw nothing later than today. Facts are as old as the day on which the key was seen last.
    """
    day = min(day, report.last_seen, today)
    before = {} if known is None else known.facts
    facts: dict[str, KnownFact] = {}
    for name, value in sorted(report.facts.items()):
        if name.startswith(OWN):
            continue
        said, earlier = KnownFact(value, day, host_id), before.get(name)
        if earlier is None:
            facts[name] = said
        elif name in FIXED:
            facts[name] = contend(earlier, said)
        else:
            facts[name] = earlier if _is_later(earlier, said) else said
    for name, fact in before.items():
        if name in facts or (len(facts) >= MAX_FACTS_KEPT and name not in FIXED):
            continue
        if _stays(name, fact, report, day, host_id):
            facts[name] = fact
    changes = [
        Change(name, was, now)
        for name in sorted({*before, *facts})
        if _differ(was := _value(before, name), now := _value(facts, name))
    ]
    seen = min(report.last_seen, today)
    repeats = frozenset(
        name
        for name in report.facts
        if (own := facts.get(name)) is not None and own[1:3] == (day, host_id)
        if own.trust is Trust.HOST_SIGNED and not own.others
    )
    key = KnownKey(
        key_id_of(report.identity, host_id),
        report.identity.serial,
        facts,
        dict(report.unreadable) if known is None or seen >= known.last_seen else known.unreadable,
        seen if known is None else min(known.first_seen, seen),
        seen if known is None else max(known.last_seen, seen),
        day,
        repeats,
    )
    altered = tuple(
        name
        for name, fact in facts.items()
        if name in before and fact.altered_by - before[name].altered_by
    )
    return Absorbed(key, () if known is None else tuple(changes), altered)


def _stays(name: str, fact: KnownFact, report: KeyReport, day: date, host_id: str) -> bool:
    """Tell whether a fact that is not in a report is still known.

    It is where the report tried and could not say, where another host read it later, and where no
    key can lose it; else the key has it no more.
    """
    older = (fact.day > day and fact.host_id != host_id) or (
        fact.day >= day and fact.trust.is_proven
    )
    return name in FIXED or older or report.why_unreadable(name) not in {None, "absent"}


def _is_later(was: KnownFact, said: KnownFact) -> bool:
    """Tell whether what is known stands.

    It does where another host read it on a later day, and where the key itself said so, that day
    or later. A channel that is unproven is worth what a laptop's word is: the word of another one
    takes its place, and only its own laptop's, said again, does not. A host's own other word is
    new, whatever day it names; the same word gets no older.
    """
    same = was.host_id == said.host_id and not _differ(was.value, said.value)
    if was.day >= said.day and (was.trust.is_proven or (was.trust is Trust.UNPROVEN and same)):
        return True
    return was.day > said.day and (was.host_id != said.host_id or same)


def said_again(key: KnownKey, day: date, last_seen: date) -> KnownKey:
    """Return a key after its newest word came again, from that day.

    The same as `absorb` would make of it, as long as the key is whole or the day is none later
    (`Standing.is_news`), and at a small part of the price.
    """
    if day > key.said:
        facts = {
            name: fact._replace(day=day) if name in key.repeats else fact
            for name, fact in key.facts.items()
        }
        key = key._replace(facts=facts, said=day)
    return key._replace(last_seen=max(key.last_seen, last_seen))


def without_host(key: KnownKey, host_id: str) -> KnownKey:
    """Return a key as it is known when nobody is to know what this host said of it."""
    facts = {name: withdrawn(fact, host_id) for name, fact in key.facts.items()}
    return key._replace(facts=facts, repeats=frozenset())


def _value(facts: Mapping[str, KnownFact], name: str) -> Value | None:
    fact = facts.get(name)
    return None if fact is None else fact.value


def _differ(one: Value | None, other: Value | None) -> bool:
    return type(one) is not type(other) or one != other  # 1 and True are two values


def as_report(key: KnownKey) -> KeyReport:
    """Return a key as one report would tell of it, for who judges by reports.

    A fact that is disputed is not known: whoever lies about a key must not make it clear.
    """
    facts = {name: fact.value for name, fact in key.facts.items() if not fact.is_disputed}
    unreadable = {name: why for name, why in key.unreadable.items() if name not in facts}
    if key.disputed:
        facts[DISPUTED] = key.disputed
        unreadable |= dict.fromkeys(key.disputed, "disputed")
    if key.altered:
        facts[ALTERED] = key.altered
    return KeyReport(Identity(serial=key.serial), key.last_seen, None, facts, unreadable)
