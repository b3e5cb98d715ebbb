"""What a report changes in what is known of a key: pure, from what is known to what is new.

A fact that could not be read this time keeps its last value and the day of it: another program that
holds the key makes nobody forget what is known. What a newer report says replaces it.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from agent.report import Identity, KeyReport, Value

MAX_FACTS_KEPT = 600
"""Of one key. Reports hold at most 400; a key that named new facts for ever would grow."""


class KnownFact(NamedTuple):
    """A fact: what was said, on which day (of the host's clock), and by which host."""

    value: Value
    day: date
    host_id: str


class KnownKey(NamedTuple):
    """All that is known of a key. unreadable: reasons of its newest report, by fact or group."""

    key_id: str
    serial: int | None
    facts: Mapping[str, KnownFact]
    unreadable: Mapping[str, str]
    first_seen: date
    last_seen: date


class Change(NamedTuple):
    """A fact that is another one now. None: it was not known, or the key has it no more."""

    fact: str
    before: Value | None
    after: Value | None


class Absorbed(NamedTuple):
    """What to keep, and what of it is new."""

    key: KnownKey
    changes: tuple[Change, ...]


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
    saw nothing later than today.
    """
    day = min(day, today)
    before = {} if known is None else known.facts
    facts = {name: KnownFact(value, day, host_id) for name, value in sorted(report.facts.items())}
    for name, fact in before.items():
        # Kept where the report tried and could not say; else the key has it no more.
        kept = name not in facts and len(facts) < MAX_FACTS_KEPT
        if kept and report.why_unreadable(name) not in {None, "absent"}:
            facts[name] = fact
    changes = [
        Change(name, was, now)
        for name in sorted({*before, *facts})
        if _differ(was := _value(before, name), now := _value(facts, name))
    ]
    seen = min(report.last_seen, today)
    key = KnownKey(
        key_id_of(report.identity, host_id),
        report.identity.serial,
        facts,
        dict(report.unreadable),
        seen if known is None else min(known.first_seen, seen),
        seen if known is None else max(known.last_seen, seen),
    )
    return Absorbed(key, () if known is None else tuple(changes))


def _value(facts: Mapping[str, KnownFact], name: str) -> Value | None:
    fact = facts.get(name)
    return None if fact is None else fact.value


def _differ(one: Value | None, other: Value | None) -> bool:
    return type(one) is not type(other) or one != other  # 1 and True are two values


def as_report(key: KnownKey) -> KeyReport:
    """Return a key as one report would tell of it, for who judges by reports."""
    return KeyReport(
        Identity(serial=key.serial),
        key.last_seen,
        None,
        {name: fact.value for name, fact in key.facts.items()},
        {name: why for name, why in key.unreadable.items() if name not in key.facts},
    )
