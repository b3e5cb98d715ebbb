"""What is wrong with a key, or soon will be: rules as data over its facts.

A rule looks at one fact, or at every fact of a pattern, and answers found, sound or not readable.
What could not be read is told apart from what is sound: nobody is calmed by silence.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from agent.report import KeyReport, Value


class Level(enum.StrEnum):
    """How bad it is."""

    DANGER = "danger"
    """Somebody who finds or borrows the key can use it, or its holder is about to be locked out."""
    WARNING = "warning"
    NOTICE = "notice"


class Rule(NamedTuple):
    """A rule. facts: a name, or a pattern with *; holds: whether a value (on a day) is a fault.

    applies_to: a fact that must be true or there before the rule says anything, "" for all keys.
    """

    name: str
    level: Level
    title: str
    facts: str
    holds: Callable[[Value, date], bool]
    applies_to: str = ""


class Fault(NamedTuple):
    """A rule that found something. fact: where; value: what is there."""

    rule: Rule
    fact: str
    value: Value


class Health(NamedTuple):
    """The verdict of all rules on a key. unreadable: rules whose fact could not be read."""

    faults: tuple[Fault, ...]
    unreadable: tuple[Rule, ...]

    @property
    def worst(self) -> Level | None:
        """Return the worst level that was found."""
        found = {fault.rule.level for fault in self.faults}
        return next((level for level in Level if level in found), None)


def _is(expected: Value) -> Callable[[Value, date], bool]:
    return lambda value, _today: type(value) is type(expected) and value == expected


def _at_most(limit: int) -> Callable[[Value, date], bool]:
    return lambda value, _today: type(value) is int and value <= limit


def _ends_within(days: int) -> Callable[[Value, date], bool]:
    def holds(value: Value, today: date) -> bool:
        try:
            return isinstance(value, str) and date.fromisoformat(value) <= today + timedelta(days)
        except (ValueError, OverflowError):
            return False

    return holds


RULES: Sequence[Rule] = (
    Rule(
        "piv-pin-default",
        Level.DANGER,
        "The PIV PIN is the one that every key comes with",
        "piv.pin.default",
        _is(True),
    ),
    Rule(
        "piv-puk-default",
        Level.DANGER,
        "The PIV PUK is the one that every key comes with",
        "piv.puk.default",
        _is(True),
    ),
    Rule(
        "piv-management-key-default",
        Level.WARNING,
        "The PIV management key is the one that every key comes with",
        "piv.management_key.default",
        _is(True),
    ),
    Rule(
        "piv-pin-tries",
        Level.DANGER,
        "The PIV PIN has one try left, or none",
        "piv.pin.tries",
        _at_most(1),
    ),
    Rule(
        "piv-puk-tries",
        Level.WARNING,
        "The PIV PUK has one try left, or none",
        "piv.puk.tries",
        _at_most(1),
    ),
    Rule(
        "certificate-ended",
        Level.DANGER,
        "A certificate has ended",
        "piv.certificate.*.expires",
        _ends_within(-1),
    ),
    Rule(
        "certificate-ends",
        Level.WARNING,
        "A certificate ends within 30 days",
        "piv.certificate.*.expires",
        lambda value, today: _ends_within(30)(value, today) and not _ends_within(-1)(value, today),
    ),
    Rule(
        "weak-rsa-key",
        Level.DANGER,
        "A certificate is for an RSA key that can be computed from it (ROCA)",
        "piv.certificate.*.roca",
        _is(True),
    ),
    Rule(
        "fido-pin-not-set",
        Level.WARNING,
        "No FIDO PIN is set",
        "fido.pin_set",
        _is(False),
    ),
    Rule(
        "fido-pin-tries",
        Level.DANGER,
        "The FIDO PIN has one try left, or none",
        "fido.pin_tries",
        _at_most(1),
        applies_to="fido.pin_set",
    ),
    Rule(
        "fido-pin-must-change",
        Level.NOTICE,
        "The FIDO PIN must be changed before the key can be used",
        "fido.force_pin_change",
        _is(True),
    ),
    Rule(
        "openpgp-pin-tries",
        Level.WARNING,
        "The OpenPGP PIN has one try left, or none",
        "openpgp.pin.tries",
        _at_most(1),
    ),
    Rule(
        "openpgp-admin-pin-tries",
        Level.WARNING,
        "The OpenPGP admin PIN has one try left, or none",
        "openpgp.admin_pin.tries",
        _at_most(1),
    ),
    Rule(
        "openpgp-terminated",
        Level.NOTICE,
        "The OpenPGP application was shut down for good",
        "openpgp.terminated",
        _is(True),
    ),
    Rule(
        "secure-channel-default",
        Level.NOTICE,
        "The keys of the secure channel are the ones that every key comes with",
        "scp.default_keys",
        _is(True),
    ),
)
"""What ships. Names are for good: people search by them."""


def judge_health(key: KeyReport, today: date, rules: Iterable[Rule] = RULES) -> Health:
    """Return what rules find on a key."""
    faults: list[Fault] = []
    unreadable: list[Rule] = []
    for rule in rules:
        if rule.applies_to and not key.facts.get(rule.applies_to):
            continue
        looked_at = list(_matching(key.facts, rule.facts))
        faults.extend(
            Fault(rule, name, value) for name, value in looked_at if rule.holds(value, today)
        )
        if not looked_at and _could_not_be_read(key, rule.facts):
            unreadable.append(rule)
    return Health(tuple(faults), tuple(unreadable))


def _matching(facts: Mapping[str, Value], pattern: str) -> Iterable[tuple[str, Value]]:
    if "*" not in pattern:
        return [(pattern, facts[pattern])] if pattern in facts else []
    return [(name, facts[name]) for name in sorted(facts) if fnmatchcase(name, pattern)]


def _could_not_be_read(key: KeyReport, pattern: str) -> bool:
    """Tell whether a fact is missing for another reason than that the key has no such thing."""
    return key.why_unreadable(pattern.partition(".*")[0]) not in {None, "absent"}
